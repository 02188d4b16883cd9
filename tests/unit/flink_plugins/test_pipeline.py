import json

import pytest
from flink_plugins.errors import PipelineError
from flink_plugins.pipeline.check import check
from flink_plugins.pipeline.entry import duration
from flink_plugins.pipeline.spec import Connector, PluginSource
from flink_plugins.pipeline.sqlcalls import calls

SMALLEST = {
    "sources": {"readings": {"plugin": "pyjson"}},
    "sinks": {"out": {"plugin": "print", "from": "readings"}},
}


def changed(**parts):
    return {**json.loads(json.dumps(SMALLEST)), **parts}


def test_the_smallest_pipeline_has_defaults():
    spec = check(SMALLEST)
    assert (spec.name, spec.parallelism) == ("pipeline", 1)
    source = spec.sources[0]
    assert isinstance(source, PluginSource)
    assert source.schema is None
    assert source.options.on_error == "fail"
    assert spec.sinks[0].options.in_flight == 1000


def test_checkpoints_and_other_options_become_flink_options():
    spec = check(
        changed(checkpoint={"interval": "10 s"}, configuration={"pipeline.object-reuse": False})
    )
    assert spec.configuration == {
        "execution.checkpointing.interval": "10000 ms",
        "pipeline.object-reuse": "false",
    }


def test_flinks_own_connectors_are_tables():
    spec = check(
        changed(
            sources={
                "readings": {
                    "connector": "kafka",
                    "schema": {"a": "INT"},
                    "options": {"topic": "t"},
                }
            }
        )
    )
    assert spec.sources == (
        Connector("readings", (("a", "INT"),), {"connector": "kafka", "topic": "t"}),
    )


def test_a_chained_step_is_a_query():
    step = {"from": "readings", "keep": ["a"], "call": {"b": "revert(a)"}, "where": "a <> ''"}
    spec = check(changed(steps={"turned": step}))
    assert spec.steps[0].sql == "SELECT `a`, revert(a) AS `b` FROM `readings` WHERE a <> ''"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "pipeline: found []. Expected a mapping."),
        (changed(sources={}), "pipeline: 'sources' is empty: nothing would run."),
        (changed(sink={}), "pipeline: 'sink' is not known here. Expected some of"),
        (changed(parallelism=0), "pipeline.parallelism: 0 is less than 1."),
        (changed(parallelism="2"), "pipeline.parallelism: found '2'. Expected a whole number."),
        (changed(sources={"a b": {"plugin": "x"}}), "sources: 'a b' is not a name."),
        (changed(sources={"readings": {}}), "sources.readings: 'plugin' is missing."),
        (
            changed(sources={"readings": {"plugin": "x", "on_error": "skip"}}),
            "sources.readings.on_error: found 'skip'. Expected one of fail, log.",
        ),
        (
            changed(sources={"readings": {"plugin": "x", "schema": {"a": "NUMBER"}}}),
            "sources.readings.schema: Type 'NUMBER'",
        ),
        (
            changed(sources={"readings": {"connector": "kafka"}}),
            "sources.readings: 'schema' is missing",
        ),
        (
            changed(sinks={"out": {"plugin": "p", "from": "redings"}}),
            "sinks.out.from: no source or step is called 'redings'. Known: readings.",
        ),
        (
            changed(checkpoint={"interval": "10"}),
            "checkpoint.interval: '10' is not a time.",
        ),
        (
            changed(steps={"readings": {"sql": "SELECT 1"}}),
            "steps.readings: a source has the name 'readings' too.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content, said):
    with pytest.raises(PipelineError) as raised:
        check(content)
    assert str(raised.value).startswith(said)


def test_durations_have_units():
    assert [duration(text, "x") for text in ("5ms", "5 s", "2 min", "1h")] == [
        5,
        5000,
        120000,
        3600000,
    ]


def test_calls_are_found_with_their_arguments():
    sql = """
        SELECT revert(name), `revert`(UPPER(a), 'x, (y)'), other(revert(b[1, 2])) -- revert(no)
        FROM t WHERE 'revert(1)' = c AND REVERT() = ''
    """
    assert list(calls(sql, "revert")) == [
        ["name"],
        ["UPPER(a)", "'x, (y)'"],
        ["b[1, 2]"],
        [],
    ]
