"""No command shows a password or writes one down, whether it ends well or not."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from bundler.cli.app import app
from tests.support.serving import Index, make_sdist, make_wheel

PASSWORD = "hunter2/pa@ss word"
QUOTED = quote(PASSWORD, safe="")


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class World:
    """A project, an index that asks for the password, and a cache."""

    folder: Path
    index: Index

    def run(self, *words: str, code: int | tuple[int, ...], once: bool = False) -> None:
        """Run a command, with ``--json`` too; look for the password in what it leaves."""
        words = tuple(word.format(index=self.with_password, closed=closed_port()) for word in words)
        for more in ((), ("--json",))[: 1 if once else 2]:
            before, _, after = " ".join(words).partition(" -- ")
            line = [*before.split(), *more, *(["--", after] if after else [])]
            result = CliRunner().invoke(app, line)
            codes = code if isinstance(code, tuple) else (code,)
            assert result.exit_code in codes, (line, result.output, result.exception)
            self.look(result.stdout + result.stderr, f"output of {line}")
            if more and result.exit_code:
                self.look(json.dumps(json.loads(result.stdout)), "JSON")
        for place in (self.folder, self.folder.parent / "cache"):
            for path in place.rglob("*"):
                assert QUOTED not in path.name
                if path.is_file() and path.name != "requirements.txt":
                    self.look(path.read_bytes().decode(errors="replace"), str(path))

    def look(self, text: str, where: str) -> None:
        for secret in (PASSWORD, QUOTED, "hunter2"):
            assert secret not in text, f"{where}:\n{text}"

    @property
    def with_password(self) -> str:
        return self.index.url.replace("//", f"//someone:{QUOTED}@")


@pytest.fixture
def world(clean_environment: pytest.MonkeyPatch, index: Index, tmp_path: Path) -> World:
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("leaf", "other"):
        make_wheel(index.folder, name)
    make_sdist(index.folder, "built", "1.0")
    index.password = ("someone", PASSWORD)
    made = World(folder, index)
    clean_environment.setenv("PIP_INDEX_URL", f"{made.with_password}/simple")
    clean_environment.setenv("BUNDLE_CACHE", str(tmp_path / "cache"))
    clean_environment.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    clean_environment.setenv("UV_HTTP_RETRIES", "0")
    clean_environment.chdir(folder)
    (folder / "bundle.toml").write_text('[deps]\nrequirements = ["requirements.txt"]\n')
    (folder / "requirements.txt").write_text("leaf\nbuilt\n")
    (folder / "job.py").write_text("print('hello')\n")
    return made


def test_commands_that_end_well(world: World) -> None:
    world.run("deps -r requirements.txt", code=0)
    world.run("lock", code=0)
    world.run("add other", code=0)
    world.run("remove other", code=0, once=True)
    world.run("build --no-check", code=0)
    world.run("config --script job.py", code=0)
    world.run("config --script job.py --format arguments", code=0)
    world.run("data job.py", code=0)
    world.run("plugin list dist", code=0)
    world.run("init mine", code=0, once=True)
    world.run("image list", code=(0, 4))  # 4: no engine


@pytest.mark.parametrize(
    ("master", "code"),
    [
        ("{index}", 5),
        ("http://someone:" + QUOTED + "@127.0.0.1:{closed}", 5),
        ("http://someone:" + QUOTED + "@127.0.0.1:99999", 2),
        ("ftp://someone:" + QUOTED + "@127.0.0.1", 2),
        ("http://someone:" + QUOTED, 2),
    ],
)
def test_a_master_with_a_password(world: World, master: str, code: int) -> None:
    world.run("build --no-check", code=0)
    world.run(f"submit --script job.py --master {master}", code=code)


def test_commands_that_need_flink_or_an_engine(world: World) -> None:
    """Flink is not on this index; no registry answers, and there may be no engine at all."""
    world.run("build --no-check", code=0)
    world.run("venv --base host", code=(3, 4), once=True)
    world.run("run --script job.py", code=(5, 7))
    world.run("jars job.py", code=2)
    world.run("plugin new pump", code=0, once=True)
    world.run("plugin pack pump", code=0, once=True)
    (world.folder / "pyproject.toml").write_text('[project]\nname = "own"\nversion = "1"\n')
    registry = f"someone:{QUOTED}@127.0.0.1:{{closed}}"
    world.run(f"wheel build . --image {registry}/image", code=(2, 4))
    world.run(
        f"image build manylinux2014_x86_64 --build-arg REGISTRY={registry}", code=4, once=True
    )


@pytest.mark.parametrize(
    ("requirement", "code"),
    [
        ("missing", 3),
        ("leaf @ {index}/files/missing-1.0-py3-none-any.whl", 3),
        ("--index-url http://someone:" + QUOTED + "@127.0.0.1:{closed}/simple\nleaf", 3),
        ("--index-url ftp://someone:" + QUOTED + "@127.0.0.1/simple\nleaf", 2),
        ("x @ git+http://someone:" + QUOTED + "@127.0.0.1:{closed}/x.git", 3),
        ("leaf @ {index}/files/leaf-1.0-py3-none-any.whl", 0),
    ],
)
def test_requirements_with_a_password(world: World, requirement: str, code: int) -> None:
    text = requirement.format(index=world.with_password, closed=closed_port())
    (world.folder / "requirements.txt").write_text(f"{text}\n")
    world.run("lock", code=code)


def test_an_index_that_refuses_the_password(world: World) -> None:
    world.index.password = ("someone", "another")
    world.run("deps -r requirements.txt", code=3)
    world.run("venv --python 3.12", code=3)


def test_a_download_that_fails(world: World) -> None:
    world.run("lock", code=0)
    world.index.failures["leaf-1.0-py3-none-any.whl"] = [404] * 50
    world.run("build --no-check", code=7)
    world.run("build --no-check --offline", code=7)


def test_a_proxy_with_a_password(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://someone:{QUOTED}@127.0.0.1:{closed_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    world.run("deps -r requirements.txt", code=3)
    world.run("submit --script job.py --dist none --master http://127.0.0.1:9", code=2)


def test_a_repository_with_a_password(world: World) -> None:
    wheel = next(world.index.folder.glob("leaf*.whl"))
    (world.folder / wheel.name).write_bytes(wheel.read_bytes())
    world.run(f"wheel publish {wheel.name} --untested --repository {{index}}/legacy/", code=2)
