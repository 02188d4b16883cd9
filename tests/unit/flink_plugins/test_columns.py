import datetime
import decimal

import pytest
from flink_plugins.columns.convert import converter, record_converter, to_json
from flink_plugins.columns.types import parse_schema, parse_type
from flink_plugins.errors import PipelineError


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("int", "INT"),
        ("VARCHAR(20)", "STRING"),
        ("decimal(10, 2)", "DECIMAL(10, 2)"),
        ("TIMESTAMP(3)", "TIMESTAMP(3)"),
        ("array<map<string, double>>", "ARRAY<MAP<STRING, DOUBLE>>"),
        ("ROW<a INT, `b c` ARRAY<STRING>>", "ROW<`a` INT, `b c` ARRAY<STRING>>"),
    ],
)
def test_types_are_read_as_sql_writes_them(text, sql):
    assert parse_type(text).sql == sql


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NUMBER", "NUMBER is not a type that records can have"),
        ("ARRAY<INT", "it ends too early"),
        ("ARRAY<INT>>", "'>' follows the type"),
        ("DECIMAL(x)", "'x' is not a length"),
        ("MAP<INT>", "'>' where ',' should be"),
        ("INT;", "';' is not part of a type"),
    ],
)
def test_a_wrong_type_is_shown_with_what_is_wrong(text, said):
    with pytest.raises(PipelineError) as raised:
        parse_type(text)
    assert str(raised.value).startswith(f"Type '{text}': {said}")


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("BIGINT", 3.0, 3),
        ("DOUBLE", 3, 3.0),
        ("STRING", 5, "5"),
        ("STRING", {"a": 1}, '{"a": 1}'),
        ("BYTES", "YWI=", b"ab"),
        ("BYTES", b"ab", b"ab"),
        ("BOOLEAN", True, True),
        ("DECIMAL(10, 2)", 1.1, decimal.Decimal("1.1")),
        ("TIMESTAMP(3)", 1500, datetime.datetime(1970, 1, 1, 0, 0, 1, 500000)),
        ("TIMESTAMP(3)", "2024-05-01 12:00:00", datetime.datetime(2024, 5, 1, 12)),
        ("DATE", "2024-05-01", datetime.date(2024, 5, 1)),
        ("TIME", "12:30:01", datetime.time(12, 30, 1)),
        ("ARRAY<INT>", [1, None], [1, None]),
        ("MAP<STRING, INT>", {"a": 1.0}, {"a": 1}),
        ("ROW<a INT, b STRING>", {"b": "x", "c": 1}, (None, "x")),
        ("INT", None, None),
    ],
)
def test_json_values_are_brought_into_their_type(type_, value, expected):
    assert converter(parse_type(type_))(value) == expected


@pytest.mark.parametrize(
    ("type_", "value"),
    [("INT", 1.5), ("INT", True), ("INT", "x"), ("BOOLEAN", 1), ("DATE", "today"), ("BYTES", "*")],
)
def test_values_that_do_not_fit_are_refused(type_, value):
    with pytest.raises(ValueError):
        converter(parse_type(type_))(value)


def test_a_record_has_the_columns_in_order_and_an_error_names_the_column():
    convert = record_converter(parse_schema({"name": "STRING", "n": "INT"}))
    assert convert({"n": 1, "other": 2}) == (None, 1)
    assert convert({"name": "a", "n": 1}) == ("a", 1)
    assert convert({"name": 5, "n": "2"}) == ("5", 2)
    with pytest.raises(ValueError, match="column n: "):
        convert({"n": "many"})
    with pytest.raises(ValueError, match="column n: "):
        convert({"n": True})


def test_values_of_flink_become_json():
    value = {"t": datetime.datetime(2024, 5, 1), "d": decimal.Decimal("1.5"), "b": b"ab", "l": (1,)}
    assert to_json(value) == {"t": "2024-05-01T00:00:00", "d": 1.5, "b": "YWI=", "l": [1]}
