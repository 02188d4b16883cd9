"""The command line, run as users run it, on packages from an index on loopback."""

from __future__ import annotations

import ast
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import bundler
from bundler.archive.entry import text_entry
from bundler.archive.writer import write_archive
from bundler.cli.app import COMMANDS, app
from bundler.session import Session
from bundler.stages.made_here import remember
from bundler.support.cache import Cache
from tests.support.serving import Index, make_sdist, make_wheel

BUNDLE = Path(sys.executable).parent / "bundle"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
PYTHON = MINOR if MINOR in ("3.10", "3.11", "3.12") else "3.11"


def every_command() -> list[str]:
    group = typer.main.get_group(app)
    ctx = typer.Context(group)
    found = {name: group.get_command(ctx, name) for name in COMMANDS}
    return [
        words
        for name, command in found.items()
        for words in [f"{name} {sub}" for sub in getattr(command, "commands", ())] or [name]
    ]


@pytest.fixture(autouse=True)
def only_this_index(clean_environment: pytest.MonkeyPatch, index: Index, tmp_path: Path) -> None:
    clean_environment.setenv("PIP_INDEX_URL", f"{index.url}/simple")
    clean_environment.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    clean_environment.setenv("BUNDLE_CACHE", str(tmp_path / "cache"))
    clean_environment.setenv("NO_COLOR", "1")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@dataclass(frozen=True)
class Finished:
    returncode: int
    stdout: str
    stderr: str


def bundle(folder: Path, *words: str | Path, env: dict[str, str] | None = None) -> Finished:
    """Run the command line in this process, which saves the start of another."""
    with working_in(folder):
        result = CliRunner().invoke(app, [str(word) for word in words], env=env)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Finished(result.exit_code, result.stdout, result.stderr)


def requirements(folder: Path, *lines: str) -> Path:
    path = folder / "requirements.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        return [name for name in file.namelist() if ".dist-info/" not in name]


def deps(folder: Path, *words: str | Path, env: dict[str, str] | None = None) -> Finished:
    return bundle(folder, "deps", "-r", "requirements.txt", "--python", PYTHON, *words, env=env)


def test_deps(index: Index, work: Path) -> None:
    make_wheel(index.folder, "leaf")
    make_wheel(index.folder, "top", requires=["leaf"])
    requirements(work, "top")
    finished = deps(work)
    assert finished.returncode == 0, finished.stderr
    header, row = finished.stdout.splitlines()
    assert header.split() == ["file", "size", "time", "packages", "sha256"]
    assert row.split()[0] == "deps.zip"
    assert names(work / "deps.zip") == ["bundle-manifest.json", "leaf.py", "top.py"]
    if PYTHON == MINOR:
        assert "deps.zip: 2 modules import" in finished.stderr

    finished = deps(work, "--no-deps", "--no-check", "-o", "out/only.zip", "--json")
    assert finished.returncode == 0, finished.stderr
    [row] = json.loads(finished.stdout)["archives"]
    assert row["packages"] == {"top": "1.0"}
    assert names(work / "out" / "only.zip") == ["bundle-manifest.json", "top.py"]

    finished = deps(work, "--quiet", "--no-check")
    assert (finished.stdout, finished.stderr) == ("", "")


def test_what_venv_holds_is_left_out(index: Index, work: Path) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_wheel(index.folder, "leaf", "2.0")
    make_wheel(index.folder, "top", requires=["leaf"])
    requirements(work, "top")
    manifest = {
        "kind": "venv",
        "target": {"flink": "2.2.1", "python": "3.12", "platform": "manylinux_2_28_x86_64"},
        "packages": {"leaf": "1.0"},
    }
    write_archive([], work / "venv.zip", manifest=manifest)
    words = ("deps", "-r", "requirements.txt", "--exclude-in", "venv.zip", "--no-check", "--json")
    finished = bundle(work, *words)
    assert finished.returncode == 0, finished.stderr + finished.stdout
    assert json.loads(finished.stdout)["archives"][0]["packages"] == {"top": "1.0"}
    with zipfile.ZipFile(work / "deps.zip") as archive:
        assert json.loads(archive.read("bundle-manifest.json"))["target"] == manifest["target"]

    requirements(work, "leaf>=2")
    finished = bundle(work, *words)
    assert finished.returncode == 3
    assert "venv.zip" in json.loads(finished.stdout)["error"]["remedy"]


def test_the_python_of_a_strangers_venv_is_not_run_unless_it_is_trusted(
    index: Index, work: Path
) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("the target is x86_64")
    make_wheel(index.folder, "leaf")
    requirements(work, "leaf")
    mark = work.parent / "ran"
    script = f"#!/bin/sh\ntouch {mark}\nexit 1\n"
    python = text_entry("venv/bin/python3.12", script, executable=True)
    manifest = {
        "kind": "venv",
        "target": {"flink": "2.2.1", "python": "3.12", "platform": "manylinux_2_28_x86_64"},
        "packages": {},
        "python": "3.12.1",
        "executable": "venv/bin/python3.12",
    }
    made = write_archive([python], work / "venv.zip", manifest=manifest)
    words = ("deps", "-r", "requirements.txt", "--exclude-in", "venv.zip")

    finished = bundle(work, *words)
    assert finished.returncode == 0, finished.stderr
    assert "Imports not checked: venv.zip was not made on this machine" in finished.stderr
    assert not mark.exists()

    bundle(work, *words, "--trust")
    assert mark.exists()

    mark.unlink()
    remember(made.sha256, Session(Cache(work.parent / "cache")))
    assert "not made on this machine" not in bundle(work, *words).stderr
    assert mark.exists()


def test_a_module_that_does_not_import_is_an_error(index: Index, work: Path) -> None:
    if PYTHON != MINOR:
        pytest.skip(f"PyFlink has no wheel for this Python, {MINOR}")
    make_wheel(index.folder, "leaf", **{"leaf.py": "import nothing_like_it\n"})
    requirements(work, "leaf")
    finished = deps(work)
    assert finished.returncode == 6
    assert "leaf of leaf cannot be imported: ModuleNotFoundError" in finished.stderr
    (work / "bundle.toml").write_text('[deps]\nskip-imports = ["leaf"]\n')
    assert deps(work).returncode == 0


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 2, "requirements.txt does not exist"),
        (b"", 2, "has no requirements"),
        (b"caf\xe9\n", 2, "is not UTF-8"),
        (b"??\n", 2, "line 1: '??' is not a requirement"),
        (b"missing\n", 3, "missing was not found"),
        (b"leaf==1.0\nleaf==2.0\n", 3, "leaf==2.0"),
        (b"leaf==1.0 --hash=sha256:" + b"0" * 64 + b"\n", 3, "No file of leaf 1.0 has a hash"),
        (b"toonew\n", 3, "manylinux_2_28_x86_64"),
        (b"compiled\n", 4, "compiled 1.0 has no wheel for"),
        (b"hostile\n", 4, "../escape"),
    ],
)
def test_bad_requirements_change_nothing(
    index: Index, work: Path, content: bytes | None, code: int, words: str
) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_wheel(index.folder, "leaf", "2.0")
    make_wheel(index.folder, "toonew", "1.0", "cp311-cp311-manylinux_2_28_x86_64")
    make_sdist(index.folder, "compiled", "1.0", compiled=True)
    make_wheel(index.folder, "hostile", **{"../escape.py": ""})
    (work / "deps.zip").write_bytes(b"the one from before")
    if content is not None:
        (work / "requirements.txt").write_bytes(content)
    before = sorted(work.iterdir())
    finished = deps(work, "--builder", "local")
    assert finished.returncode == code, finished.stderr
    assert words in finished.stderr
    assert "Traceback" not in finished.stderr
    assert sorted(work.iterdir()) == before
    assert (work / "deps.zip").read_bytes() == b"the one from before"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["venv", "--flink", "2.2.1", "--python", "3.7"], 2, "has no wheel for Python 3.7"),
        (["venv", "--platform", "win_amd64"], 2, "is not a platform tag"),
        (["venv", "--base", "docker"], 2, "--base"),
        (["deps"], 2, "There are no requirements"),
        (["build"], 2, "has no bundle.toml"),
        (["run"], 2, "bundle.lock.json"),
        (["run", "--port", "99999"], 2, "65535"),
        (["data", "nowhere"], 2, "nowhere does not exist"),
        (["jars", "nowhere.jar"], 2, "nowhere.jar"),
        (["submit"], 2, "--master"),
        (["config", "--format", "xml"], 2, ""),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_wrong_usage(work: Path, words: list[str], code: int, said: str) -> None:
    finished = bundle(work, *words)
    assert finished.returncode == code
    assert said in finished.stderr
    assert list(work.iterdir()) == []


def test_one_sha256_from_two_folders_two_caches_and_two_times(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "leaf", **{"leaf_data/ünïcode.txt": "x"})
    make_sdist(index.folder, "built", "1.0")
    hashes = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        requirements(folder, "leaf", "built")
        finished = deps(
            folder, "--no-check", "--json", env={"BUNDLE_CACHE": str(tmp_path / f"cache-{name}")}
        )
        assert finished.returncode == 0, finished.stdout
        hashes.append(json.loads(finished.stdout)["archives"][0]["sha256"])
        time.sleep(2.1)  # zip times have a resolution of two seconds
    assert hashes[0] == hashes[1]


def test_offline_works_from_the_cache_alone(index: Index, work: Path) -> None:
    make_wheel(index.folder, "leaf")
    requirements(work, "leaf")
    (work / "bundle.toml").write_text('[deps]\nrequirements = ["requirements.txt"]\n')
    assert deps(work, "--no-check").returncode == 0
    asked = len(index.requests)
    finished = deps(work, "--no-check", "--offline")
    assert finished.returncode == 0, finished.stderr
    assert len(index.requests) == asked


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_leaves_nothing_though_its_download_stalls(
    index: Index, work: Path, sign: int
) -> None:
    wheel = make_wheel(index.folder, "leaf", **{"leaf_data.txt": os.urandom(50_000).hex()})
    requirements(work, "leaf")
    # uv reads the wheel's metadata first; only our own download is held.
    deps(work, "--no-check", env={"BUNDLE_CACHE": str(work.parent / "other")})
    (work / "deps.zip").unlink()
    release = index.held[wheel.name] = threading.Event()
    asked = len(index.requests)
    process = subprocess.Popen(
        [BUNDLE, "deps", "-r", "requirements.txt", "--python", PYTHON],
        cwd=work,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 60
        while not any(wheel.name in path for path in index.requests[asked:]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(sign)
        _, said = process.communicate(timeout=60)
    finally:
        release.set()
        process.kill()
    assert process.returncode == 128 + sign
    assert b"Traceback" not in said
    assert [path.name for path in work.iterdir()] == ["requirements.txt"]
    left = [path for path in (work.parent / "cache").rglob("*.whl*") if path.is_file()]
    assert left == []


def test_closing_the_terminal_leaves_nothing(index: Index, work: Path) -> None:
    if shutil.which("setsid") is None:
        pytest.skip("no setsid")
    wheel = make_wheel(index.folder, "leaf", **{"leaf_data.txt": os.urandom(50_000).hex()})
    requirements(work, "leaf")
    deps(work, "--no-check", env={"BUNDLE_CACHE": str(work.parent / "other")})
    (work / "deps.zip").unlink()
    release = index.held[wheel.name] = threading.Event()
    asked = len(index.requests)
    terminal, inner = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", BUNDLE, "deps", "-r", "requirements.txt", "--python", PYTHON],
        cwd=work,
        stdin=inner,
        stdout=inner,
        stderr=inner,
    )
    os.close(inner)
    try:
        deadline = time.monotonic() + 60
        while not any(wheel.name in path for path in index.requests[asked:]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.3)
        os.close(terminal)
        assert process.wait(60) == 129
    finally:
        release.set()
        process.kill()
    assert [path.name for path in work.iterdir()] == ["requirements.txt"]
    left = [path for path in (work.parent / "cache").rglob("*.whl*") if path.is_file()]
    assert left == []


def test_no_fault_of_the_file_system_is_a_traceback(index: Index, work: Path) -> None:
    make_wheel(index.folder, "leaf")
    requirements(work, "leaf")
    (work / "file").write_text("")
    (work / "bundle.toml").write_text('[deps]\npackages = ["leaf"]\n')
    for words in (
        ["deps", "-r", "requirements.txt", "--python", PYTHON],
        ["build", "--python", PYTHON],
        ["venv", "--offline"],
    ):
        finished = bundle(work, *words, env={"BUNDLE_CACHE": str(work / "file" / "cache")})
        assert finished.returncode == 4
        assert finished.stderr.splitlines()[-3].startswith("error: ")
        assert str(work / "file") in finished.stderr
    (work / "dist" / "bundle.lock.json").mkdir(parents=True)
    finished = bundle(work, "config", "--json")
    assert finished.returncode == 2
    assert "is a folder" in json.loads(finished.stdout)["error"]["found"]


def test_a_slimming_rule_is_checked_before_anything_is_fetched(index: Index, work: Path) -> None:
    requirements(work, "leaf")
    finished = deps(work, "--slim", "everything")
    assert finished.returncode == 2
    assert "Unknown slimming rule 'everything'" in finished.stderr
    assert index.requests == []


def test_archives_of_another_kind_are_refused(work: Path) -> None:
    (work / "x.txt").write_text("x")
    assert bundle(work, "data", "x.txt").returncode == 0
    for flag in ("--venv", "--deps"):
        finished = bundle(work, "config", flag, "data.zip")
        assert finished.returncode == 2
        assert "data.zip is a data archive" in finished.stderr
    finished = bundle(work, "config", "--data", "other.zip")
    assert finished.returncode == 2
    assert "other.zip does not exist" in finished.stderr


@pytest.mark.parametrize("listing", ["{}", "[]", '{"archives": [{}], "jars": []}'])
def test_a_list_that_build_did_not_write(work: Path, listing: str) -> None:
    (work / "dist").mkdir()
    (work / "dist" / "bundle.lock.json").write_text(listing)
    finished = bundle(work, "config")
    assert finished.returncode == 2
    assert "is not a list that `bundle build` wrote" in finished.stderr


def test_no_space_left(index: Index, work: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small tmpfs")
    small = work / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        make_wheel(index.folder, "leaf", **{"leaf_data.txt": os.urandom(100_000).hex()})
        requirements(work, "leaf")
        finished = deps(work, "--no-check", "-o", "small/deps.zip")
        assert finished.returncode == 4
        assert "No space left on the device" in finished.stderr
        assert list(small.iterdir()) == []
        finished = deps(work, "--no-check", env={"BUNDLE_CACHE": str(small)})
        assert finished.returncode == 4
        assert "BUNDLE_CACHE" in finished.stderr
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_folder_that_cannot_be_written(index: Index, work: Path) -> None:
    make_wheel(index.folder, "leaf")
    requirements(work, "leaf")
    closed = work / "closed"
    closed.mkdir()
    mounted = False
    if os.geteuid() == 0:
        mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", closed]
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
        if not mounted:
            pytest.skip("root may write anywhere, and cannot mount here")
    else:
        closed.chmod(0o555)
    try:
        for place in ("closed/deps.zip", "closed/new/deps.zip"):
            finished = deps(work, "--no-check", "-o", place)
            assert finished.returncode == 2
            assert f"{Path(place).parent} is not writable" in finished.stderr
        assert "closed is a folder" in deps(work, "-o", "closed").stderr
        # Before anything was resolved.
        assert index.requests == []
    finally:
        if mounted:
            subprocess.run(["umount", closed], check=True)


def test_two_builds_at_once_in_one_folder(index: Index, work: Path) -> None:
    for i in range(10):
        make_wheel(index.folder, f"leaf{i}", **{f"data{i}.txt": os.urandom(20_000).hex()})
    requirements(work, *(f"leaf{i}" for i in range(10)))
    processes = [
        subprocess.Popen(
            [BUNDLE, "deps", "-r", "requirements.txt", "--python", PYTHON, "--json", "--no-check"],
            cwd=work,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    results = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    hashes = {json.loads(result)["archives"][0]["sha256"] for result in results}
    assert len(hashes) == 1
    assert len(names(work / "deps.zip")) == 21
    assert sorted(path.name for path in work.iterdir()) == ["deps.zip", "requirements.txt"]


def lock_of(work: Path, *words: str) -> dict[str, object]:
    finished = bundle(work, *words, "--json")
    assert finished.returncode == 0, finished.stderr + finished.stdout
    [lock] = json.loads(finished.stdout)["locks"]
    assert Path(lock.pop("file")).name == "pylock.deps.toml"
    return {kind: found for kind, found in lock.items() if found}


def test_locks_change_as_little_as_possible(index: Index, work: Path) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_wheel(index.folder, "other", "1.0")
    (work / "bundle.toml").write_text('[deps]\npackages = ["leaf"]  # mine\n')
    assert bundle(work, "lock", "--check").returncode == 3
    assert lock_of(work, "lock") == {"added": {"leaf": "1.0"}}
    assert bundle(work, "lock", "--check").returncode == 0
    make_wheel(index.folder, "leaf", "2.0")
    built = bundle(work, "build", "--no-check", "--json")
    assert json.loads(built.stdout)["archives"][0]["packages"] == {"leaf": "1.0"}

    assert lock_of(work, "add", "other") == {"added": {"other": "1.0"}}
    make_wheel(index.folder, "other", "2.0")
    assert lock_of(work, "lock") == {}
    changed = lock_of(work, "lock", "--upgrade-package", "Leaf")
    assert changed == {"changed": {"leaf": ["1.0", "2.0"]}}
    said = bundle(work, "lock", "--upgrade").stdout
    assert said == "pylock.deps.toml: 1 changed\n  ~ other 1.0 -> 2.0\n"
    assert lock_of(work, "remove", "other") == {"removed": {"other": "2.0"}}
    assert (work / "bundle.toml").read_text() == '[deps]\npackages = ["leaf"]  # mine\n'


def test_what_cannot_be_added_changes_nothing(index: Index, work: Path) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    (work / "bundle.toml").write_text('[deps]\npackages = ["leaf"]\n')
    bundle(work, "lock")
    before = {path: path.read_bytes() for path in work.glob("*.toml")}
    finished = bundle(work, "add", "leaf>=9")
    assert finished.returncode == 3
    assert "leaf" in finished.stderr
    assert bundle(work, "add", "leaf\n--index-url http://127.0.0.1:9").returncode == 2
    assert bundle(work, "remove", "absent").returncode == 2
    assert {path: path.read_bytes() for path in work.glob("*.toml")} == before


def test_data(work: Path) -> None:
    (work / "models").mkdir()
    (work / "models" / "größe.txt").write_text("x")
    (work / "one.bin").write_bytes(b"\0" * 1000)
    finished = bundle(work, "data", "models", "one.bin", "-o", "data.zip")
    assert finished.returncode == 0, finished.stderr
    assert names(work / "data.zip") == ["bundle-manifest.json", "models/größe.txt", "one.bin"]


@pytest.mark.parametrize(
    ("paths", "out"), [(["."], "data.zip"), (["models"], "models/x/data.zip"), (["a"], "a")]
)
def test_a_data_archive_does_not_hold_itself(work: Path, paths: list[str], out: str) -> None:
    (work / "models").mkdir()
    (work / "a").write_text("kept")
    finished = bundle(work, "data", *paths, "-o", out)
    assert finished.returncode == 2
    assert "which goes into it" in finished.stderr
    assert sorted(path.name for path in work.iterdir()) == ["a", "models"]
    assert (work / "a").read_text() == "kept"


def test_init_begins_a_project_once(work: Path) -> None:
    finished = bundle(work, "init", "job", "--flink", "1.20.5")
    assert finished.returncode == 0, finished.stderr
    assert 'flink = "1.20.5"' in (work / "job" / "bundle.toml").read_text()
    compile((work / "job" / "job.py").read_text(), "job.py", "exec")
    finished = bundle(work, "init", "job")
    assert finished.returncode == 2
    assert "bundle.toml exists" in finished.stderr


@pytest.mark.parametrize("command", every_command())
def test_help_has_an_example(work: Path, command: str) -> None:
    finished = bundle(work, *command.split(), "--help")
    assert finished.returncode == 0
    assert f"bundle {command}" in finished.stdout.partition("Example:")[2]
    assert "--json" in finished.stdout
    assert "--quiet" in finished.stdout


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    group = typer.main.get_group(app)
    ctx = typer.Context(group)
    for name, (_, text) in COMMANDS.items():
        command = group.get_command(ctx, name)
        assert command.name == name
        assert command.get_short_help_str() == text


def loaded_by(*words: str) -> set[str]:
    code = (
        "import sys; from bundler.cli.app import app\n"
        f"try: app({list(words)})\n"
        "except SystemExit: print('\\n'.join(['', 'MODULES', *sys.modules]))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return set(finished.stdout.partition("MODULES")[2].split())


def test_help_loads_nothing_heavy() -> None:
    heavy = {"httpx", "pydantic", "rich.console", "uv", "zipfile", "hashlib"}
    assert not loaded_by("--help") & {*heavy, "bundler.cli.command", "bundler.cli.cmd_archives"}
    modules = loaded_by("venv", "--help")
    assert "bundler.cli.cmd_archives" in modules
    assert not modules & {*heavy, "bundler.cli.cmd_job", "bundler.cli.cmd_wheel"}


@pytest.mark.parametrize("module", ["cmd_archives", "cmd_project", "cmd_job"])
def test_commands_call_the_public_api_alone(module: str) -> None:
    """What a command does, a program can: only ``init`` and ``jars`` use a room themselves."""
    tree = ast.parse((Path(bundler.__file__).parent / "cli" / f"{module}.py").read_text())
    allowed = ("bundler.cli", "bundler.errors")
    others = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bundler")
        if not node.module.startswith(allowed)
    }
    assert (
        others
        <= {
            "cmd_archives": {"bundler.jars.listing"},
            "cmd_project": {"bundler.project.scaffold", "bundler.target"},
            "cmd_job": set(),
        }[module]
    )


def test_the_target_is_another_machine(index: Index, work: Path) -> None:
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    make_wheel(index.folder, "native", "1.0", f"cp311-cp311-manylinux2014_{other}")
    requirements(work, "native")
    finished = bundle(
        work, "deps", "-r", "requirements.txt", "--python", "3.11",
        "--platform", f"manylinux2014_{other}",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert "Imports not checked" in finished.stderr
