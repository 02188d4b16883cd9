from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.flink.configuration import (
    Configuration,
    config_name,
    flink_configuration,
    flink_run_arguments,
    render,
    render_yaml,
)
from bundler.flink.values import JobBundle
from bundler.jars.listing import jar_list
from bundler.target import Target


@pytest.fixture
def jars(tmp_path):
    paths = []
    for name in ("a.jar", "b.jar"):
        with zipfile.ZipFile(tmp_path / name, "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", "")
        paths.append(tmp_path / name)
    return jar_list(paths)


def bundle(flink="2.2.1", **changes):
    values = {
        "venv": Path("/w/venv.zip"),
        "deps": Path("/w/deps.zip"),
        "data": (Path("/w/models.zip"),),
        "script": Path("/w/job.py"),
        "parallelism": 2,
    }
    return JobBundle(
        Target.parse(flink=flink), "venv.zip/venv/bin/python3.11", **(values | changes)
    )


def test_the_keys_of_a_bundle_on_this_machine(jars):
    assert flink_configuration(bundle(jars=jars)) == {
        "python.archives": "/w/venv.zip,/w/models.zip",
        "python.executable": "venv.zip/venv/bin/python3.11",
        "python.client.executable": "venv.zip/venv/bin/python3.11",
        "python.files": "/w/deps.zip",
        "pipeline.jars": [jar.path.as_uri() for jar in jars],
        "parallelism.default": 2,
    }


@pytest.mark.parametrize(
    ("base", "archive", "jar"),
    [
        ("/opt/job/", "/opt/job/venv.zip", "file:///opt/job/a.jar"),
        ("s3://bucket/job", "s3://bucket/job/venv.zip", "s3://bucket/job/a.jar"),
    ],
)
def test_with_a_base_the_files_are_looked_for_there(jars, base, archive, jar):
    configuration = flink_configuration(bundle(jars=jars), base=base)

    assert str(configuration["python.archives"]).split(",")[0] == archive
    assert "pipeline.jars" not in configuration
    assert configuration["pipeline.classpaths"][0] == jar


def test_what_the_job_sets_wins():
    configuration = flink_configuration(
        bundle(configuration={"python.executable": "python3", "pipeline.name": "n"})
    )

    assert configuration["python.executable"] == "python3"
    assert configuration["pipeline.name"] == "n"


def test_flink_2_reads_yaml_and_flink_1_its_own_form(jars):
    lists = {"pipeline.jars": ["file:///a.jar", "file:///b.jar"], "flag": True, "name": 'a "b": c'}

    assert render_yaml(lists, "2.2.1") == (
        'pipeline.jars: ["file:///a.jar", "file:///b.jar"]\nflag: true\nname: "a \\"b\\": c"\n'
    )
    assert render_yaml(lists, "1.20.5") == (
        'pipeline.jars: file:///a.jar;file:///b.jar\nflag: true\nname: a "b": c\n'
    )
    assert config_name("2.0.0") == "config.yaml"
    assert config_name("1.20.5") == "flink-conf.yaml"
    assert "python.files: /w/deps.zip\n" in render(bundle("1.20.5"))


@pytest.mark.parametrize("value", ["a # b", "two\nlines", " spaces "])
def test_what_flink_1_cannot_hold_is_refused(value):
    with pytest.raises(UsageError, match=r"flink-conf\.yaml cannot hold pipeline\.name"):
        render_yaml({"pipeline.name": value}, "1.20.5")


@pytest.mark.parametrize("name", ["a,b.zip", "a#b.zip"])
def test_a_path_that_flink_would_split_is_refused(name):
    with pytest.raises(UsageError, match="has a comma or a #"):
        flink_configuration(bundle(venv=Path("/w") / name))


def test_the_arguments_are_absolute_and_the_jobs_own_come_last(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = flink_run_arguments(
        bundle(
            venv=Path("venv.zip"),
            script=Path("job.py"),
            arguments=("--python", "x y"),
            configuration={"pipeline.name": "n"},
        ),
        master="host:8081",
        detached=True,
    )

    assert arguments == [
        "run", "--detached", "--jobmanager", "host:8081", "--parallelism", "2",
        "--pyArchives", f"{tmp_path}/venv.zip,/w/models.zip",
        "--pyExecutable", "venv.zip/venv/bin/python3.11",
        "--pyClientExecutable", "venv.zip/venv/bin/python3.11",
        "--pyFiles", "/w/deps.zip",
        "-Dpipeline.name=n",
        "--python", f"{tmp_path}/job.py", "--python", "x y",
    ]  # fmt: skip


def test_each_form_asks_for_what_it_needs() -> None:
    found = Configuration(JobBundle(Target.parse(flink="2.2.1"), "python3.11"))
    assert found.text.startswith('python.executable: "python3.11"\n')
    with pytest.raises(UsageError, match="no job"):
        _ = found.command
    found = Configuration(
        JobBundle(
            Target.parse(flink="1.16.3"),
            "python3.7",
            module="job",
            arguments=("x y",),
            configuration={"a": "b # c"},
        )
    )
    assert found.command.endswith("--pyModule job 'x y'")
    with pytest.raises(UsageError, match="#"):
        _ = found.text


def test_one_jar_is_uploaded_by_the_client_and_several_must_be_there(jars):
    one = flink_run_arguments(bundle(jars=jars[:1]))
    two = flink_run_arguments(bundle(jars=jars))

    assert one[one.index("--jarfile") + 1] == str(jars[0].path)
    assert "--classpath" not in one
    assert [two[i + 1] for i, word in enumerate(two) if word == "--classpath"] == [
        jar.path.as_uri() for jar in jars
    ]


def test_a_module_and_no_job_at_all():
    assert flink_run_arguments(bundle(script=None, module="a.b"))[-2:] == ["--pyModule", "a.b"]
    with pytest.raises(UsageError, match="no job to run"):
        flink_run_arguments(bundle(script=None))
