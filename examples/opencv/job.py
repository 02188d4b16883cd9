"""Finds a mark in generated images, with OpenCV from deps.zip and the mark from models.zip.

Each row of the result shows what was counted and found, and the paths of interpreter, OpenCV and
data file on the worker that computed it. A Java function from shout.jar writes the place in
capitals.
"""

import os
import sys

import cv2
import numpy
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf

# Workers start in the folder where Flink unpacks the archives, each under its file name.
MARK = "models.zip/models/mark.pgm"
SIDE = 160


def picture(squares, mark):
    """A black image with ``squares`` white squares in a row and, below them, the mark."""
    image = numpy.zeros((SIDE, SIDE), numpy.uint8)
    for index in range(squares):
        left = 10 + 15 * index
        cv2.rectangle(image, (left, 10), (left + 8, 18), 255, -1)
    x, y = 7 * squares, 60 + 5 * squares
    image[y : y + mark.shape[0], x : x + mark.shape[1]] = mark
    return image


@udf(result_type=DataTypes.INT())
def count_squares(squares):
    image = picture(squares, cv2.imread(MARK, cv2.IMREAD_GRAYSCALE))
    return cv2.connectedComponents(image[:40])[0] - 1


@udf(result_type=DataTypes.STRING())
def find_mark(squares):
    mark = cv2.imread(MARK, cv2.IMREAD_GRAYSCALE)
    matches = cv2.matchTemplate(picture(squares, mark), mark, cv2.TM_SQDIFF)
    return "x {} y {}".format(*cv2.minMaxLoc(matches)[2])


@udf(result_type=DataTypes.STRING())
def interpreter(squares):
    return sys.executable


@udf(result_type=DataTypes.STRING())
def library(squares):
    return cv2.__file__


@udf(result_type=DataTypes.STRING())
def data_file(squares):
    return os.path.realpath(MARK)


def main():
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("pipeline.name", "opencv")
    for name in ("count_squares", "find_mark", "interpreter", "library", "data_file"):
        tables.create_temporary_function(name, globals()[name])
    tables.execute_sql("CREATE TEMPORARY FUNCTION shout AS 'demo.Shout' LANGUAGE JAVA")
    row = DataTypes.ROW([DataTypes.FIELD("n", DataTypes.INT())])
    numbers = tables.from_elements([(number,) for number in range(1, 9)], row)
    tables.create_temporary_view("pictures", numbers)
    tables.execute_sql(
        "CREATE TABLE results (squares INT, counted INT, mark STRING, "
        "interpreter STRING, library STRING, data STRING) WITH ('connector' = 'print')"
    )
    tables.execute_sql(
        "INSERT INTO results SELECT n, count_squares(n), shout(find_mark(n)), "
        "interpreter(n), library(n), data_file(n) FROM pictures"
    )


if __name__ == "__main__":
    main()
