"""Says which Python a worker runs, and where a library that only its image had was loaded from."""

import sys
from pathlib import Path

from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf


@udf(result_type=DataTypes.STRING())
def python(number):
    return f"{sys.version.split()[0]} {sys.executable}"


@udf(result_type=DataTypes.STRING())
def library(number):
    import sqlite3

    assert sqlite3.connect(":memory:").execute("SELECT 1").fetchone() == (1,)
    with Path("/proc/self/maps").open() as maps:
        return next(line.split()[-1] for line in maps if "libsqlite3" in line)


tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.execute_sql(
    "CREATE TABLE results (python STRING, library STRING) WITH ('connector'='print')"
)
row = DataTypes.ROW([DataTypes.FIELD("number", DataTypes.INT())])
numbers = tables.from_elements([(1,)], row)
numbers.select(python(numbers.number), library(numbers.number)).execute_insert("results")
