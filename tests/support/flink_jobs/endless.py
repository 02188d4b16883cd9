"""A job that never ends: a UDF on the worker, and a function out of a JAR."""

from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf


@udf(result_type=DataTypes.STRING())
def greet(number):
    return "hello"


tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.create_temporary_function("greet", greet)
tables.execute_sql("CREATE TEMPORARY FUNCTION shout AS 'demo.Shout' LANGUAGE JAVA")
tables.execute_sql(
    "CREATE TABLE ticks (number BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5')"
)
tables.execute_sql("CREATE TABLE results (word STRING) WITH ('connector' = 'print')")
tables.execute_sql("INSERT INTO results SELECT shout(greet(number)) FROM ticks")
