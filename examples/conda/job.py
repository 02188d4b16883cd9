"""Parses JSON with a compiled package out of a conda environment.

Each row of the result also says where the worker's interpreter and that package lie.
"""

import sys

import ujson
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf


@udf(result_type=DataTypes.INT())
def total(order):
    return sum(ujson.loads(order)["amounts"])


@udf(result_type=DataTypes.STRING())
def interpreter(order):
    return sys.executable


@udf(result_type=DataTypes.STRING())
def library(order):
    return ujson.__file__


def main():
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("pipeline.name", "conda")
    tables.execute_sql(
        "CREATE TABLE results (total INT, interpreter STRING, library STRING) "
        "WITH ('connector' = 'print')"
    )
    row = DataTypes.ROW([DataTypes.FIELD("json", DataTypes.STRING())])
    orders = tables.from_elements([(f'{{"amounts": [{n}, 2]}}',) for n in range(5)], row)
    orders.select(
        total(orders.json), interpreter(orders.json), library(orders.json)
    ).execute_insert("results")


if __name__ == "__main__":
    main()
