"""Whether what is in the archives imports: by their own Python, isolated from this machine's."""

from __future__ import annotations

import json
import posixpath
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundler.archive.entry import Entry
from bundler.archive.read import zip_entries
from bundler.archive.record import read_record
from bundler.errors import UsageError, VerificationError
from bundler.support.process import Finished, run
from bundler.support.progress import SILENT, Progress
from bundler.verify.zips import unpack

_RECORD = re.compile(r"(?:^|/)([^/]+)-[^/-]+\.dist-info/RECORD$")
_EXTENSION = re.compile(r"^([^.]+)(?:\.(?:cpython-|abi3)[^/]*)?\.(?:so|py)$")
_INTERPRETER = re.compile(r"^(?:.*/)?bin/python3\.\d+$")

# Files that come along by mistake and are run by tools, never imported by a program.
_STRAY = frozenset({"setup", "conftest", "tests", "test", "docs", "examples", "benchmarks"})

# PEMJA's libraries are loaded into a JVM, whose JNI symbols they need (seen with pemja 0.2.6).
_INSIDE_JVM = frozenset({"pemja_core", "pemja_utils"})

# The environment is what a worker of a managed Flink has; -I also keeps the user's site out.
_ENVIRONMENT = ("/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8")

# Runs on the target's Python, 3.6 and newer. deps.zip comes before site-packages and its .pth
# files are not read, as with the PYTHONPATH that Flink sets for python.files.
_PROBE = """
import faulthandler, importlib, json, os, sys, traceback
faulthandler.enable()
with open(sys.argv.pop()) as file:
    report, names, path = json.load(file)
sys.path[:0] = path
with open(report, "a") as out:
    for name in names:
        print(json.dumps([name]), file=out, flush=True)
        try:
            importlib.import_module(name)
            error = None
        except BaseException:
            error = traceback.format_exc()
        print(json.dumps([name, error]), file=out, flush=True)
    out.flush()
os._exit(0)
"""
_LINES = 6


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """A module that does not import, whose it is, and the last lines of what Python said."""

    module: str
    distribution: str
    error: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result for ``modules`` modules, and how many ``seconds`` the imports took."""

    modules: int
    failures: tuple[ImportFailure, ...]
    seconds: float


def top_level_modules(entries: Iterable[Entry]) -> dict[str, tuple[str, ...]]:
    """Each distribution's top-level modules, from its RECORD: {"numpy": ("numpy",), ...}.

    Of a namespace package the packages and modules inside are named ("google.protobuf"). Left
    out is what only tools run, such as ``setup.py`` or ``tests`` beside the package, and what only
    a JVM can load.
    """
    modules: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        if match := _RECORD.search(entry.name):
            paths = [row.path for row in read_record(entry)]
            modules[match[1]] = tuple(sorted(_modules(paths)))
    return dict(sorted(modules.items()))


def _modules(paths: Sequence[str]) -> Iterator[str]:
    packages = {posixpath.dirname(path) for path in paths if path.endswith("/__init__.py")}
    found: set[str] = set()
    for path in paths:
        folder, _, file = path.rpartition("/")
        match = _EXTENSION.match(file)
        if match is None or path.startswith("../"):
            continue
        parts = folder.split("/") if folder else []
        for depth in range(1, len(parts) + 1):
            if "/".join(parts[:depth]) in packages:
                parts = parts[:depth]
                break
        else:
            parts = [*parts, match[1]]
        if parts[0] not in _STRAY | _INSIDE_JVM and all(part.isidentifier() for part in parts):
            found.add(".".join(parts))
    # "bin/x.py" of a deps.zip is a script, and so is whatever lies in a folder beside packages.
    yield from (name for name in found if not name.startswith("bin."))


def check_imports(
    python: Path,
    modules: Mapping[str, Sequence[str]],
    path: Sequence[Path] = (),
    *,
    timeout: float = 120.0,
) -> ImportReport:
    """Import ``modules`` (by distribution) with the interpreter ``python`` and ``path`` before it.

    All are imported by one process; those that fail there are tried again, each in its own, and
    what fails then too is reported, as is a crash or no end within ``timeout`` seconds.

    Raises VerificationError if ``python`` itself does not start.
    """
    owners = {name: owner for owner, names in modules.items() for name in names}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bundle-imports-") as folder:
        probe = _Prober(python, [str(item.absolute()) for item in path], Path(folder), timeout)
        probe.start()
        failed = probe.failures(sorted(owners))
        failures = [
            ImportFailure(name, owners[name], error)
            for first in sorted(failed)
            for name, error in probe.failures([first]).items()
        ]
    return ImportReport(len(owners), tuple(failures), time.perf_counter() - started)


def check_archives(
    venv: Path | None,
    deps: Sequence[Path] = (),
    python: Path | None = None,
    *,
    progress: Progress = SILENT,
    timeout: float = 120.0,
) -> ImportReport:
    """Unpack a venv.zip and any deps.zip, and import all that they hold with the venv's Python.

    Without ``venv``, ``python`` is an interpreter of the target's version on this machine.

    Raises VerificationError if the archives are damaged or their Python does not start here,
    UsageError if there is no Python to use.
    """
    with tempfile.TemporaryDirectory(prefix="bundle-verify-") as name:
        folder = Path(name)
        modules: dict[str, tuple[str, ...]] = {}
        archives = [*([venv] if venv else []), *deps]
        with progress.task("Unpacking", len(archives)) as task:
            for number, archive in enumerate(archives):
                for owner, names in top_level_modules(zip_entries(archive)).items():
                    modules[owner] = (*modules.get(owner, ()), *names)
                unpack(archive, folder / str(number))
                task.advance()
        if venv is not None:
            python = folder / "0" / _interpreter(venv)
        if python is None:
            raise UsageError(
                "There is no Python to import deps.zip with.",
                "Expected a venv.zip beside it, or a Python of the target's version here.",
                "Build venv.zip first, or install that Python.",
            )
        path = [folder / str(archives.index(archive)) for archive in deps]
        with progress.task("Importing"):
            return check_imports(python, modules, path, timeout=timeout)


def _interpreter(venv: Path) -> str:
    found = [
        entry.name
        for entry in zip_entries(venv)
        if not entry.is_symlink and _INTERPRETER.match(entry.name)
    ]
    if not found:
        raise UsageError(
            f"{venv} has no bin/python3.N.",
            "Expected an archive made by `bundle venv`.",
            "Give a venv.zip, or leave it out.",
        )
    return min(found, key=len)


@dataclass(frozen=True, slots=True)
class _Prober:
    """Imports lists of modules in processes that may die."""

    python: Path
    path: Sequence[str]
    folder: Path
    timeout: float

    def start(self) -> None:
        try:
            finished = self._run("-c", "import encodings")
            problem = "" if finished.returncode == 0 else _end(finished)
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        if problem:
            raise VerificationError(
                f"{self.python.name} does not start here: {'; '.join(problem.splitlines())}",
                "Expected it to run, to import the packages in the archives.",
                "Build on a machine that can run the target, or check its glibc and base.",
            )

    def failures(self, names: Sequence[str]) -> dict[str, str]:
        """The modules of ``names`` that fail, and how."""
        failed: dict[str, str] = {}
        left = list(names)
        report, request = self.folder / "report", self.folder / "request"
        while left:
            report.write_text("")
            # In a file, since the kernel limits the length of an argument.
            request.write_text(json.dumps([str(report), left, self.path]))
            try:
                end = _end(self._run("-c", _PROBE, str(request)))
            except subprocess.TimeoutExpired:
                end = f"It did not end within {self.timeout:g} seconds."
            lines = [json.loads(line) for line in report.read_text().splitlines()]
            for line in lines:
                if len(line) == 2 and line[1]:
                    failed[line[0]] = _last_lines(line[1])
            done = {line[0] for line in lines if len(line) == 2}
            begun = [line[0] for line in lines if line[0] not in done]
            if begun:
                failed[begun[0]] = end
            elif not done:
                failed[left[0]] = end
                done.add(left[0])
            left = [name for name in left if name not in done and name not in begun]
        return failed

    def _run(self, *arguments: str) -> Finished:
        return run(
            [*_ENVIRONMENT, f"HOME={self.folder}", self.python, "-I", "-B", *arguments],
            cwd=self.folder,
            timeout=self.timeout,
        )


def _end(finished: Finished) -> str:
    status = finished.returncode
    if status >= 0:
        return "\n".join((f"exit status {status}", _last_lines(finished.stderr))).strip()
    # faulthandler names the innermost call first.
    _, _, frames = finished.stderr.partition("most recent call first")
    innermost = [line for line in frames.splitlines() if "importlib" not in line][1:_LINES]
    return "\n".join((f"signal {signal.Signals(-status).name}", *innermost))


def _last_lines(text: str) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-_LINES:])
