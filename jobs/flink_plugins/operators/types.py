"""SQL column types as PyFlink's two type systems have them."""

from __future__ import annotations

from typing import Any

from pyflink.common import Row, Types
from pyflink.table.types import DataTypes

from flink_plugins.columns.types import ColumnType, Schema

_INFORMATION = {
    "BOOLEAN": Types.BOOLEAN,
    "TINYINT": Types.BYTE,
    "SMALLINT": Types.SHORT,
    "INT": Types.INT,
    "BIGINT": Types.LONG,
    "FLOAT": Types.FLOAT,
    "DOUBLE": Types.DOUBLE,
    "DECIMAL": Types.BIG_DEC,
    "STRING": Types.STRING,
    "BYTES": lambda: Types.PRIMITIVE_ARRAY(Types.BYTE()),
    "DATE": Types.SQL_DATE,
    "TIME": Types.SQL_TIME,
    "TIMESTAMP": Types.SQL_TIMESTAMP,
    "TIMESTAMP_LTZ": Types.SQL_TIMESTAMP,
}


def information(type_: ColumnType) -> Any:
    """The TypeInformation of the DataStream API for ``type_``."""
    if type_.name == "ARRAY":
        return Types.OBJECT_ARRAY(information(type_.children[0][1]))
    if type_.name == "MAP":
        return Types.MAP(*(information(child) for _, child in type_.children))
    if type_.name == "ROW":
        return row_information(type_.children)
    return _INFORMATION[type_.name]()


def row_information(schema: Schema) -> Any:
    """The TypeInformation of a row with the columns of ``schema``."""
    return Types.ROW_NAMED([name for name, _ in schema], [information(t) for _, t in schema])


def data_type(type_: ColumnType) -> Any:
    """The DataType of the Table API for ``type_``."""
    if type_.name == "ARRAY":
        return DataTypes.ARRAY(data_type(type_.children[0][1]))
    if type_.name == "MAP":
        return DataTypes.MAP(*(data_type(child) for _, child in type_.children))
    if type_.name == "ROW":
        fields = [DataTypes.FIELD(name, data_type(child)) for name, child in type_.children]
        return DataTypes.ROW(fields)
    if type_.name == "TIMESTAMP_LTZ":
        return DataTypes.TIMESTAMP_LTZ(*(type_.numbers or (3,)))
    if type_.name == "DECIMAL":
        return DataTypes.DECIMAL(*((type_.numbers or (38, 18)) + (0,))[:2])
    return getattr(DataTypes, type_.name)(*type_.numbers)


def make_row(values: Any) -> Row:
    """A PyFlink row of ``values``."""
    return Row(*values)
