"""A job that never ends: a UDF on the worker, and a function out of a JAR."""

import sys

from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf


@udf(result_type=DataTypes.STRING())
def greet(number):
    return "hello"


tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.create_temporary_function("greet", greet)
if "shout" in sys.argv[1:]:
    tables.execute_sql("CREATE TEMPORARY SYSTEM FUNCTION shout AS 'demo.Shout' LANGUAGE JAVA")
else:
    tables.execute_sql("CREATE TEMPORARY VIEW unused AS SELECT 1")
tables.execute_sql(
    "CREATE TABLE ticks (number BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5')"
)
tables.execute_sql("CREATE TABLE results (word STRING) WITH ('connector' = 'print')")
word = "shout(greet(number))" if "shout" in sys.argv[1:] else "greet(number)"
tables.execute_sql(f"INSERT INTO results SELECT {word} FROM ticks")
