"""A source tree -> wheels for every CPython of an image: repaired, split, checked and tested."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from bundler.containers.choose import obtain_image
from bundler.containers.container_options import ContainerOptions
from bundler.containers.engine import engine
from bundler.containers.log import Log, build_log
from bundler.containers.sandbox import Sandbox, name_of, sandbox
from bundler.containers.settings import settings_for
from bundler.containers.steps import prepare
from bundler.containers.words import check_pythons, check_volume
from bundler.errors import BuildError, UsageError
from bundler.session import Session
from bundler.support.files import check_writable, whole_file
from bundler.target import DEFAULT_PLATFORM, Target
from bundler.wheelhouse.split import Split, split_wheels
from bundler.wheelhouse.with_twine import check_with_twine
from bundler.wheels.fit import wheel_faults
from bundler.wheels.repair import built_name, fetch_built, repair

_SOURCE, _TREE, _WHEELHOUSE = "/bundle/source", "/bundle/tree", "/bundle/wheelhouse"
_CCACHE = "/bundle/ccache"
CCACHE_VOLUME = "flink-bundler-ccache"
"""The engine's volume that compilers' results are kept in."""

_COMPILERS = "/bundle/compilers"
# Every compiler's name becomes ccache, which finds the real one further on PATH. Distributions have
# such a folder too, but not with all names.
_MASQUERADE = f"""
mkdir -p {_COMPILERS}
ccache=$(command -v ccache) || exit 0
for name in cc gcc c++ g++ clang clang++ $(gcc -dumpmachine)-gcc $(gcc -dumpmachine)-g++; do
  if command -v $name >/dev/null; then ln -sf $ccache {_COMPILERS}/$name; fi
done
"""
_PYTHON = re.compile(r"cp(?P<major>\d)(?P<minor>\d+)-cp\d+(?P<flags>[a-z]*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelBuildOptions:
    """How to build wheels of a source tree.

    ``pythons`` are versions such as "3.8" or "3.13t" (free-threaded), empty for all of the image.
    ``test`` is a shell command, run with each Python in an environment that has only the wheel and
    ``test_requires``; ``{project}`` in it is the source tree. ``max_size`` in bytes is the largest
    allowed wheel. ``ccache`` keeps compilers' results in the engine's volume of that name.
    """

    container: ContainerOptions = field(default_factory=ContainerOptions)
    pythons: tuple[str, ...] = ()
    platform: str = DEFAULT_PLATFORM
    test: str | None = None
    test_requires: tuple[str, ...] = ()
    max_size: int | None = None
    ccache: str | None = CCACHE_VOLUME

    def __post_init__(self) -> None:
        check_pythons(self.pythons)
        check_volume(self.ccache)
        for requirement in self.test_requires:
            _check_requirement(requirement)


@dataclass(frozen=True, slots=True)
class BuiltWheel:
    """A finished wheel, with the packages that carry its libraries if it was split.

    ``pythons`` are those it was built for or fits, ``seconds`` and ``hits``/``misses`` (of ccache)
    are of its build, ``tested`` the Pythons that the test command passed with.
    """

    wheel: Path
    libraries: tuple[Path, ...] = ()
    pythons: tuple[str, ...] = ()
    seconds: float = 0.0
    hits: int = 0
    misses: int = 0
    tested: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Python:
    """An interpreter of the image: ``label`` as people write it, ``folder`` in /opt/python."""

    label: str
    folder: str
    tags: frozenset[Tag] = field(repr=False)

    @property
    def executable(self) -> str:
        return f"/opt/python/{self.folder}/bin/python"


def build_wheels(
    source: Path,
    out: Path,
    session: Session,
    options: WheelBuildOptions = WheelBuildOptions(),
) -> list[BuiltWheel]:
    """Build the tree ``source`` for each Python and put the finished wheels into ``out``.

    A wheel that fits several Pythons (abi3, pure) is built once and tested with all. Nothing is
    put into ``out`` unless everything succeeds.

    Raises UsageError if ``source`` is not a project or ``out`` cannot be written, BuildError if a
    build, twine's check, a split or a test fails, VerificationError if a binary would not load on
    the platform.
    """
    if not (source / "pyproject.toml").is_file() and not (source / "setup.py").is_file():
        raise UsageError(
            f"{source} is not a Python project.",
            "Expected a folder with pyproject.toml or setup.py.",
            "Give the project's own folder.",
        )
    check_writable(out / "wheel.whl")
    target = Target.parse(platform=options.platform)
    with engine() as client:
        image = obtain_image(client, options.container.image, target, session)
        what = f"Building {source.resolve().name} in {name_of(image)}"
        volumes = {options.ccache: _CCACHE} if options.ccache else {}
        with (
            build_log(source.resolve().name, what, session) as log,
            sandbox(client, image, network=options.container.network, volumes=volumes) as box,
            tempfile.TemporaryDirectory(prefix="bundle-") as scratch,
        ):
            building = _WheelBuild(box, target, options, log, Path(scratch))
            pythons = building.pythons()
            made = building.finish(building.build(source, pythons))
            if options.test is not None:
                environment = {**settings_for(box), **options.container.environment}
                made = [building.test(item, pythons, environment) for item in made]
            return [_placed(item, out) for item in made]


def _check_requirement(text: str) -> None:
    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(
            f"{text!r} is not a requirement: {str(error).splitlines()[0]}",
            "Expected a name and perhaps versions, such as pytest>=8.",
            "Change that requirement of the test.",
        ) from error


def _placed(made: BuiltWheel, out: Path) -> BuiltWheel:
    def place(path: Path) -> Path:
        with whole_file(out / path.name) as temporary:
            shutil.copyfile(path, temporary)
        return out / path.name

    libraries = tuple(place(path) for path in made.libraries)
    return replace(made, wheel=place(made.wheel), libraries=libraries)


@dataclass(frozen=True, slots=True)
class _WheelBuild:
    box: Sandbox
    target: Target
    options: WheelBuildOptions
    log: Log
    scratch: Path

    def pythons(self) -> list[_Python]:
        """Those asked for, oldest first. Raises BuildError if the image lacks one."""
        there = {python.label: python for python in self._installed()}
        missing = [label for label in self.options.pythons if label not in there]
        if missing or not there:
            raise BuildError(
                f"{self.box.image} has no Python {', '.join(missing) or 'in /opt/python'}.",
                f"Its Pythons: {', '.join(there) or 'none'}.",
                "Name another image with --image, or other Pythons with --python.",
            )
        return [there[label] for label in there if label in (self.options.pythons or there)]

    def _installed(self) -> list[_Python]:
        names = self.box.read(["sh", "-c", "ls /opt/python 2>/dev/null || true"]).split()
        found = []
        for name in names:
            if match := _PYTHON.match(name):
                version = int(match["major"]), int(match["minor"])
                abi = name.partition("-")[2]
                platforms = sorted({tag.platform for tag in self.target.tags} - {"any"})
                tags = [
                    *cpython_tags(version, [abi], platforms),
                    *compatible_tags(version, f"cp{version[0]}{version[1]}", platforms),
                ]
                flags = match["flags"].replace("m", "")
                label = f"{version[0]}.{version[1]}{flags}"
                found.append((version, flags, _Python(label, name, frozenset(tags))))
        return [python for _, _, python in sorted(found, key=lambda row: row[:2])]

    def build(self, source: Path, pythons: Sequence[_Python]) -> list[BuiltWheel]:
        """One repaired wheel for each of ``pythons``, or for several of them, in the scratch."""
        environment = prepare(self.box, self.options.container, self.log)
        if self.options.ccache:
            path = self.box.read(["sh", "-c", "echo $PATH"]).strip()
            self.box.read(["sh", "-c", _MASQUERADE])
            environment["PATH"] = f"{_COMPILERS}:{path}"
            environment |= {
                "CCACHE_DIR": _CCACHE,
                "CCACHE_BASEDIR": "/bundle",
                "CCACHE_NOHASHDIR": "1",
                "CCACHE_COMPILERCHECK": "content",
            }
        self.box.put(source.resolve(), _SOURCE)
        made: list[BuiltWheel] = []
        for python in pythons:
            for number, item in enumerate(made):
                if parse_wheel_filename(item.wheel.name)[3] & python.tags:
                    made[number] = replace(item, pythons=(*item.pythons, python.label))
                    break
            else:
                made.append(self._build(python, environment))
        return made

    def _build(self, python: _Python, environment: Mapping[str, str]) -> BuiltWheel:
        self.log.heading(f"Building for Python {python.label}")
        started = time.monotonic()
        raw, repaired = f"/bundle/raw/{python.folder}", f"/bundle/repaired/{python.folder}"
        before = self._ccache(environment)
        # The same path for every Python, so that ccache finds what another one compiled.
        script = (
            f"rm -rf {_TREE} && cp -a {_SOURCE} {_TREE} && cd {_TREE} && "
            f"{python.executable} -m pip wheel -v --no-deps --use-pep517 -w {raw} ."
        )
        if self.box.run(["sh", "-ec", script], self.log.line, environment=environment) != 0:
            raise self.log.failed(
                f"The wheel for Python {python.label} did not build.", self.log.reason
            )
        name = built_name(self.box, raw)
        place = raw
        if all(tag.platform != "any" for tag in parse_wheel_filename(name)[3]):
            repair(self.box, f"{raw}/{name}", repaired, self.target, self.log)
            place = repaired
        seconds = time.monotonic() - started
        hits, misses = (
            now - then for now, then in zip(self._ccache(environment), before, strict=True)
        )
        folder = self.scratch / python.folder
        folder.mkdir()
        wheel = fetch_built(self.box, place, folder)
        if (first := next(wheel_faults(wheel, self.target), None)) is not None:
            raise first
        return BuiltWheel(wheel, (), (python.label,), seconds, hits, misses)

    def _ccache(self, environment: Mapping[str, str]) -> tuple[int, int]:
        if not self.options.ccache:
            return 0, 0
        try:
            said = self.box.read(["ccache", "--print-stats"], environment)
        except BuildError:
            return 0, 0
        # Names differ between ccache 3.7 and 4.
        counts = {row.split()[0]: int(row.split()[1]) for row in said.splitlines() if row.strip()}
        hits = [name for name in counts if name.endswith("cache_hit") or "cache_hit_" in name]
        return sum(counts[name] for name in hits), counts.get("cache_miss", 0)

    def finish(self, made: Sequence[BuiltWheel]) -> list[BuiltWheel]:
        """Split what is too large; have twine check all."""
        results = list(made)
        if self.options.max_size is not None:
            self.log.heading("Splitting")
            folder = self.scratch / "split"
            folder.mkdir()
            parts = split_wheels([item.wheel for item in made], self.options.max_size, folder)
            results = [_with_parts(item, part) for item, part in zip(made, parts, strict=True)]
        self.log.heading("Checking with twine")
        check_with_twine(list(_files(results)))
        return results

    def test(
        self, made: BuiltWheel, pythons: Sequence[_Python], environment: Mapping[str, str]
    ) -> BuiltWheel:
        """Install in clean environments and run the test command in each."""
        for path in (made.wheel, *made.libraries):
            self.box.put(path, f"{_WHEELHOUSE}/{path.name}")
        chosen = [python for python in pythons if python.label in made.pythons]
        for python in chosen:
            self.log.heading(f"Testing {made.wheel.name} with Python {python.label}")
            venv = f"/bundle/test/{python.folder}"
            command = (self.options.test or "").replace("{project}", _SOURCE)
            script = (
                f'{python.executable} -m venv "{venv}" && mkdir -p "{venv}/empty" && '
                f'"{venv}/bin/python" -m pip install -q --find-links {_WHEELHOUSE} -- "$@" && '
                f'cd "{venv}/empty" && PATH="{venv}/bin:$PATH" && {command}'
            )
            arguments = [f"{_WHEELHOUSE}/{made.wheel.name}", *self.options.test_requires]
            status = self.box.run(
                ["sh", "-ec", script, "sh", *arguments], self.log.line, environment=environment
            )
            if status != 0:
                raise self.log.failed(
                    f"{made.wheel.name} failed its test with Python {python.label}.",
                    self.log.reason,
                )
        return replace(made, tested=tuple(python.label for python in chosen))


def _with_parts(made: BuiltWheel, split: Split) -> BuiltWheel:
    return replace(made, wheel=split.wheel, libraries=split.libraries)


def _files(made: Sequence[BuiltWheel]) -> Iterator[Path]:
    yield from dict.fromkeys(path for item in made for path in (item.wheel, *item.libraries))
