"""Functions inside a job: as SQL functions, scalar and aggregate, and as a DataStream map."""

from __future__ import annotations

import logging
from typing import Any, Callable, List, NamedTuple, Optional

from pyflink.datastream import MapFunction
from pyflink.table.udf import AggregateFunction, ScalarFunction, udaf, udf

from flink_plugins.columns.convert import converter, exact_type, to_json
from flink_plugins.columns.types import ColumnType
from flink_plugins.errors import FAIL, LOG, PluginFailure
from flink_plugins.loading import load
from flink_plugins.operators.types import data_type, make_row
from flink_plugins.refs import EKUIPER, PluginRef
from flink_plugins.runtime.context import PluginContext

_log = logging.getLogger("flink_plugins")
_JSON_TYPES = frozenset((str, int, float, bool, type(None)))


class FunctionSpec(NamedTuple):
    """What the operator needs to know of a function.

    ``on_error`` is "fail", or "log": the result is NULL then. ``batched`` has rows cross from Java
    in Arrow batches, which needs process mode.
    """

    ref: PluginRef
    name: str
    result: ColumnType
    arguments: Optional[List[ColumnType]] = None
    job: str = "job"
    on_error: str = FAIL
    batched: bool = False


def _as_json(execute: Callable[..., Any]) -> Callable[..., Any]:
    def call(args: List[Any], ctx: Any) -> Any:
        for value in args:
            if type(value) not in _JSON_TYPES:
                return execute([to_json(each) for each in args], ctx)
        return execute(args, ctx)

    return call


class _Call:
    """The plugin's ``exec`` with its context, its result type and its policy bound."""

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        function = load(spec.ref)
        json_values = spec.ref.origin == EKUIPER
        self.execute = _as_json(function.exec) if json_values else function.exec
        self.convert = converter(spec.result, make_row)
        self.context = PluginContext(spec.job, spec.name)

    def failed(self, error: Exception) -> Any:
        """Raise PluginFailure, or log and give NULL, by the policy."""
        if self.spec.on_error == LOG:
            _log.error(
                "function %s: exec() raised; the result is NULL", self.spec.name, exc_info=error
            )
            return None
        raise PluginFailure(f"function {self.spec.name}: exec() raised {error!r}") from error


class _Scalar(ScalarFunction):
    def __init__(self, spec: FunctionSpec) -> None:
        self._spec = spec

    def open(self, function_context: Any) -> None:
        call = _Call(self._spec)
        self._call = call
        self._execute = call.execute
        self._context = call.context
        self._convert = call.convert
        self._exact = exact_type(self._spec.result)

    def eval(self, *args: Any) -> Any:
        try:
            value = self._execute([*args], self._context)
            return value if type(value) is self._exact else self._convert(value)
        except Exception as error:
            return self._call.failed(error)


class _Batched(_Scalar):
    def eval(self, *args: Any) -> Any:
        import pandas

        execute, context, convert, exact = self._execute, self._context, self._convert, self._exact
        results = []
        for values in zip(*(each.tolist() for each in args)):
            try:
                value = execute([*values], context)
                results.append(value if type(value) is exact else convert(value))
            except Exception as error:
                results.append(self._call.failed(error))
        return pandas.Series(results)


class _Aggregate(AggregateFunction):
    def __init__(self, spec: FunctionSpec) -> None:
        self._spec = spec

    def open(self, function_context: Any) -> None:
        self._call = _Call(self._spec)

    def create_accumulator(self) -> List[Any]:
        return [[] for _ in self._spec.arguments or ()]

    def accumulate(self, accumulator: Any, *args: Any) -> None:
        for index, value in enumerate(args):
            accumulator[index].append(value)

    def retract(self, accumulator: Any, *args: Any) -> None:
        for index, value in enumerate(args):
            accumulator[index].remove(value)

    def merge(self, accumulator: Any, accumulators: Any) -> None:
        for other in accumulators:
            for index, values in enumerate(other):
                accumulator[index].extend(values)

    def get_value(self, accumulator: Any) -> Any:
        call = self._call
        try:
            return call.convert(call.execute([list(v) for v in accumulator], call.context))
        except Exception as error:
            return call.failed(error)

    def get_result_type(self) -> Any:
        return data_type(self._spec.result)

    def get_accumulator_type(self) -> Any:
        columns = [
            (f"c{index}", ColumnType("ARRAY", (), (("element", type_),)))
            for index, type_ in enumerate(self._spec.arguments or ())
        ]
        return data_type(ColumnType("ROW", (), tuple(columns)))


def scalar(spec: FunctionSpec) -> Any:
    """A scalar function to register with ``t_env.create_temporary_function``."""
    if spec.batched:
        return udf(_Batched(spec), result_type=data_type(spec.result), func_type="pandas")
    return udf(_Scalar(spec), result_type=data_type(spec.result))


def aggregate(spec: FunctionSpec) -> Any:
    """An aggregate function to register; ``spec.arguments`` must be declared.

    The values of a group are kept in Flink's state until the group is done.
    """
    if not spec.arguments:
        raise ValueError(f"aggregate {spec.name}: declare the types of its arguments")
    function = _Aggregate(spec)
    return udaf(
        function,
        result_type=function.get_result_type(),
        accumulator_type=function.get_accumulator_type(),
        input_types=[data_type(type_) for type_ in spec.arguments],
    )


class _Map(MapFunction):
    def __init__(self, spec: FunctionSpec, arguments: Callable[[Any], List[Any]]) -> None:
        self._spec = spec
        self._arguments = arguments

    def open(self, runtime_context: Any) -> None:
        self._call = _Call(self._spec)

    def map(self, value: Any) -> Any:
        call = self._call
        try:
            return call.convert(call.execute(self._arguments(value), call.context))
        except Exception as error:
            return call.failed(error)


def _alone(value: Any) -> List[Any]:
    return [value]


def map_function(spec: FunctionSpec, arguments: Callable[[Any], List[Any]] = _alone) -> MapFunction:
    """A function for ``DataStream.map``; ``arguments`` makes its arguments from an element."""
    return _Map(spec, arguments)
