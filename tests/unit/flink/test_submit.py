from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bundler.errors import BuildError, UsageError
from bundler.flink.answers import Uploaded
from bundler.flink.code import write_code, write_program
from bundler.flink.submit import rest_configuration, submit
from bundler.flink.values import JobBundle, JobResult
from bundler.jars.listing import jar_list
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.files import digest_of
from bundler.target import Target
from tests.support.bad_master import JAR, JOB, bad_master

TARGET = Target.parse(flink="2.2.1")


def on_the_master(name: str) -> Uploaded:
    return Uploaded(filename=f"/up/{JAR.format(name)}")


def test_archives_keep_their_names_and_python_is_found_in_them():
    bundle = JobBundle(
        TARGET,
        "venv.zip/venv/bin/python3.11",
        venv=Path("/w/venv.zip"),
        deps=Path("/w/deps.zip"),
        data=(Path("/w/models.zip"),),
        files=(Path("/w/more.zip"), Path("/w/helper.py")),
        configuration={"pipeline.name": "n"},
    )
    names = ("venv.zip", "deps.zip", "models.zip", "more.zip", "code.zip")
    uploaded = {f"/w/{name}": on_the_master(name[:-4]) for name in names}

    configuration = rest_configuration(bundle, Path("/w/code.zip"), uploaded)

    assert configuration == {
        "python.archives": ",".join(
            f"{on_the_master(name.partition('.')[0].replace('job-code', 'code')).filename}#{name}"
            for name in ("venv.zip", "models.zip", "deps.zip", "more.zip", "job-code")
        ),
        "python.pythonpath": "job-code:deps.zip:more.zip",
        "python.executable": "venv.zip/venv/bin/python3.11",
        "python.client.executable": "venv.zip/venv/bin/python3.11",
        "pipeline.name": "n",
    }


def test_flink_1_17_finds_them_without_an_option_for_the_path(tmp_path):
    (tmp_path / "job.py").write_text("import there")
    (tmp_path / "deps.zip").mkdir()
    (tmp_path / "deps.zip" / "there.py").write_text("print('found')")
    bundle = JobBundle(
        Target.parse(flink="1.17.2"),
        "python3",
        deps=Path("/w/deps.zip"),
        script=tmp_path / "job.py",
    )
    code = tmp_path / "code.jar"

    module = write_code(bundle, code)
    uploaded = {"/w/deps.zip": on_the_master("d"), str(code): on_the_master("c")}
    configuration = rest_configuration(bundle, code, uploaded)

    assert "python.pythonpath" not in configuration
    assert configuration["python.files"] == on_the_master("c").filename
    finished = subprocess.run(
        [sys.executable, "-m", module],
        cwd=tmp_path,
        env={"PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == "found\n"


def test_two_archives_of_one_name_are_refused():
    bundle = JobBundle(TARGET, "python3", venv=Path("/a/x.zip"), data=(Path("/b/x.zip"),))

    with pytest.raises(UsageError, match=r"Two archives are named x\.zip"):
        rest_configuration(bundle, Path("/c.zip"), {})


def test_the_code_holds_the_script_the_modules_and_the_packages(tmp_path):
    package = tmp_path / "helpers"
    (package / "__pycache__").mkdir(parents=True)
    for name in ("job.py", "one.py", "helpers/__init__.py", "helpers/__pycache__/x.pyc"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (0, 0))
    bundle = JobBundle(
        TARGET, "python3", script=tmp_path / "job.py", files=(tmp_path / "one.py", package)
    )

    module = write_code(bundle, tmp_path / "code.zip")

    assert module == "job"
    with zipfile.ZipFile(tmp_path / "code.zip") as archive:
        assert archive.namelist() == ["helpers/__init__.py", "job.py", "one.py"]
        assert archive.read("job.py") == b"job.py"


def test_two_files_of_one_name_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "job.py").write_text(folder)
    bundle = JobBundle(
        TARGET, "python3", script=tmp_path / "a" / "job.py", files=(tmp_path / "b" / "job.py",)
    )
    with pytest.raises(BuildError, match=r"a/job\.py both have job\.py"):
        write_code(bundle, tmp_path / "code.zip")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "no job to run"),
        ({"script": Path("/w/my-job.py")}, "its name is not a module's"),
        ({"script": Path("/w/job")}, "its name is not a module's"),
        ({"script": Path("/w/a\x1b.py")}, r"'a\\x1b\.py' cannot be run over REST"),
        ({"script": Path("/w/gone.py")}, "does not exist"),
        ({"module": "a", "files": (Path("/w/gone"),)}, "does not exist"),
    ],
)
def test_what_cannot_be_run(tmp_path, changes, said):
    with pytest.raises(UsageError, match=said):
        write_code(JobBundle(TARGET, "python3", **changes), tmp_path / "code.zip")


def test_jars_ride_in_the_lib_of_the_program(tmp_path):
    python, own = tmp_path / "flink-python-2.2.1.jar", tmp_path / "own.jar"
    for path in (python, own):
        with zipfile.ZipFile(path, "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", "")
        os.utime(path, (0, 0))
    bundle = JobBundle(TARGET, "python3", jars=jar_list([own]))

    program = write_program(python, bundle, tmp_path)

    with zipfile.ZipFile(program) as archive:
        assert archive.read("lib/own.jar") == own.read_bytes()
        assert archive.read("lib/flink-python-2.2.1.jar") == python.read_bytes()
    assert write_program(python, JobBundle(TARGET, "python3"), tmp_path) == python


@pytest.mark.parametrize("name", ["my-module.py", "1.py", "my-package/__init__.py", "a\nb.txt"])
def test_what_cannot_be_imported_is_not_sent(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    given = path.parent if path.name == "__init__.py" else path
    bundle = JobBundle(TARGET, "python3", module="job", files=(given,))

    with pytest.raises(UsageError, match="cannot be imported"):
        write_code(bundle, tmp_path / "code.zip")


def test_data_beside_the_code_is_sent(tmp_path):
    (tmp_path / "my-data").mkdir()
    for name in ("my-data/a.json", "my.json"):
        (tmp_path / name).write_text("{}")
    files = (tmp_path / "my-data", tmp_path / "my.json")

    write_code(JobBundle(TARGET, "python3", module="job", files=files), tmp_path / "code.zip")

    with zipfile.ZipFile(tmp_path / "code.zip") as archive:
        assert archive.namelist() == ["my-data/a.json", "my.json"]


def test_the_code_has_no_link_that_leaves_and_no_pipe(tmp_path):
    package = tmp_path / "helpers"
    package.mkdir()
    (package / "__init__.py").write_text("")
    bundle = JobBundle(TARGET, "python3", module="job", files=(package,))

    (package / "out").symlink_to("../..")
    with pytest.raises(UsageError, match="is a symlink to a folder outside"):
        write_code(bundle, tmp_path / "code.zip")

    (package / "out").unlink()
    os.mkfifo(package / "out")
    with pytest.raises(UsageError, match="out"):
        write_code(bundle, tmp_path / "code.zip")


@pytest.mark.parametrize(
    "name", ["a,b.zip", "a#b.zip", "a:b.zip", "a;b.zip", "a\nb.zip", "job-code"]
)
def test_names_that_flink_would_split(name):
    with pytest.raises(UsageError, match="cannot be"):
        rest_configuration(JobBundle(TARGET, "python3", data=(Path("/w") / name,)), Path("/c"), {})


def test_a_submit_to_a_sound_master_leaves_no_upload_there(tmp_path):
    """The whole way with real requests, but for Flink itself."""
    (tmp_path / "job.py").write_text("print(1)")
    (tmp_path / "venv.zip").write_bytes(b"PK")
    cache = Cache(tmp_path / "cache")
    name = "flink-2.2.1"
    home = cache.path("flink", digest_of(name.encode()), name)
    (home / "opt").mkdir(parents=True)
    (home / "opt" / "flink-python-2.2.1.jar").write_bytes(b"PK")
    bundle = JobBundle(TARGET, "python3", venv=tmp_path / "venv.zip", script=tmp_path / "job.py")

    with bad_master() as master:
        address = f"http://me:secret77@{master.address}"
        result = submit(address, bundle, Session(cache))

        assert result == JobResult(JOB, "FINISHED", master.url)
        assert {asked for _, _, asked in master.seen} == {"Basic bWU6c2VjcmV0Nzc="}
        assert [method for method, _, _ in master.seen].count("DELETE") == 3
