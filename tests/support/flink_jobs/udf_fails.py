"""A job whose UDF raises on the worker."""

from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf


@udf(result_type=DataTypes.INT())
def divide(number):
    return 12 // (number - 3)


tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.execute_sql("CREATE TABLE results (quotient INT) WITH ('connector' = 'print')")
row = DataTypes.ROW([DataTypes.FIELD("number", DataTypes.INT())])
numbers = tables.from_elements([(number,) for number in range(1, 6)], row)
numbers.select(divide(numbers.number)).execute_insert("results")
