"""JSON values brought into column types, and values of Flink's rows brought into JSON."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
from typing import Any, Callable, Dict, Optional, Tuple

from flink_plugins.columns.types import ColumnType, Schema

Convert = Callable[[Any], Any]


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value!r} is not a whole number")
    return int(value)


def _text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8")
    if isinstance(value, (dict, list, tuple, bool)):
        return json.dumps(value)
    return str(value)


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return base64.b64decode(value, validate=True)
    return bytes(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false")
    return value


def _timestamp(value: Any) -> datetime.datetime:
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, (int, float)):
        zero = datetime.datetime(1970, 1, 1)
        return zero + datetime.timedelta(milliseconds=value)
    text = str(value).strip()
    for form in ("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S"):
        try:
            return datetime.datetime.strptime(text.rstrip("Z").replace(" ", "T"), form)
        except ValueError:
            continue
    raise ValueError(f"{value!r} is not a time such as 2024-05-01T12:00:00")


def _date(value: Any) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    return datetime.datetime.strptime(str(value), "%Y-%m-%d").date()


def _time(value: Any) -> datetime.time:
    if isinstance(value, datetime.time):
        return value
    return _timestamp("1970-01-01T" + str(value)).time()


def _decimal(value: Any) -> decimal.Decimal:
    return decimal.Decimal(str(value))


_WHOLE = dict.fromkeys(("TINYINT", "SMALLINT", "INT", "BIGINT"), int)
_EXACT = dict(_WHOLE, FLOAT=float, DOUBLE=float, STRING=str, BYTES=bytes, BOOLEAN=bool)
_CONVERT: Dict[str, Convert] = {
    **dict.fromkeys(_WHOLE, _integer),
    "FLOAT": float,
    "DOUBLE": float,
    "STRING": _text,
    "BYTES": _bytes,
    "BOOLEAN": _boolean,
    "DECIMAL": _decimal,
    "DATE": _date,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
    "TIMESTAMP_LTZ": _timestamp,
}


def exact_type(type_: ColumnType) -> Optional[type]:
    """The Python type whose values need no conversion to ``type_``; None if all may need it."""
    return _EXACT.get(type_.name)


def converter(type_: ColumnType, make_row: Callable[..., Any] = tuple) -> Convert:
    """A function that brings a JSON value, or None, into ``type_``.

    ``make_row`` builds nested rows from a list of values. The function raises ValueError or
    TypeError for a value that does not fit.
    """
    if type_.name == "ARRAY":
        element = converter(type_.children[0][1], make_row)
        return lambda value: None if value is None else [element(item) for item in value]
    if type_.name == "MAP":
        value_of = converter(type_.children[1][1], make_row)
        key_of = converter(type_.children[0][1], make_row)
        return lambda value: (
            None if value is None else {key_of(k): value_of(v) for k, v in value.items()}
        )
    if type_.name == "ROW":
        fields = [(name, converter(child, make_row)) for name, child in type_.children]
        return lambda value: (
            None if value is None else make_row([to(value.get(name)) for name, to in fields])
        )
    exact = exact_type(type_)
    convert = _CONVERT[type_.name]

    def scalar(value: Any) -> Any:
        if value is None or type(value) is exact:
            return value
        return convert(value)

    return scalar


def record_converter(
    schema: Schema, make_row: Callable[..., Any] = tuple
) -> Callable[[Dict[str, Any]], Tuple[Any, ...]]:
    """A function from a message to the values of ``schema``, in order.

    The function raises ValueError that names the column, TypeError for what is not a mapping.
    """
    columns = [(name, converter(type_, make_row)) for name, type_ in schema]
    names = [name for name, _ in schema]
    exact = [exact_type(type_) for _, type_ in schema]

    def convert(message: Dict[str, Any]) -> Tuple[Any, ...]:
        get = message.get
        values = tuple(map(get, names))
        # Mostly nothing is to be converted; to find that out costs less than the calls would.
        if list(map(type, values)) == exact:
            return values
        try:
            return tuple([to(value) for (_, to), value in zip(columns, values)])
        except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
            for name, to in columns:
                try:
                    to(get(name))
                except Exception:
                    raise ValueError(f"column {name}: {error}") from error
            raise

    return convert


def to_json(value: Any) -> Any:
    """A value of a Flink row as the JSON value that plugins of eKuiper are given."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if hasattr(value, "as_dict"):
        return {name: to_json(item) for name, item in value.as_dict(False).items()}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return to_json(value.tolist())
    return [to_json(item) for item in value]
