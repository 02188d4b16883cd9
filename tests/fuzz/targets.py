"""One target a reader: bytes in, a value or a BundlerError out; anything else is a finding.

A target is handed a folder of its own for the file that the reader wants, and gives what the reader
returned. Where a value must keep a promise (no name leads out), the target asserts it.
"""

from __future__ import annotations

import random
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundler.archive.entry import Entry
from bundler.archive.manifest import read_venv_manifest
from bundler.archive.names import name_problem
from bundler.archive.read import zip_entries
from bundler.archive.wheel import target_layout, wheel_entries
from bundler.archive.wheel_rules import check_wheel
from bundler.archive.writer import write_archive
from bundler.base.environment import read_environment
from bundler.elf.info import read_elf
from bundler.elf.strip import strip
from bundler.jars.listing import jar_list
from bundler.lock.fetch import download_of
from bundler.lock.pylock import LockInputs, read_lock
from bundler.lock.requirements import read_requirements
from bundler.plugins.conda_environment import conda_requests
from bundler.plugins.find_plugins import find_plugins
from bundler.project.tables import find_project
from bundler.slim.rules import slim
from bundler.stages.bundle import bundle_of, read_bundle
from bundler.target import Target
from bundler.verify.zips import check_archive, unpack
from tests.fuzz import samples
from tests.fuzz.mutate import (
    Mutate,
    mutate_bytes,
    mutate_json,
    mutate_lines,
    mutate_toml,
    mutate_yaml,
    mutate_zip,
    zip_of_files,
)
from tests.fuzz.rest import read_answers

TARGET = Target.parse(flink="2.2.1", python="3.11", platform="manylinux2014_x86_64")


@dataclass(frozen=True, slots=True)
class FuzzTarget:
    """A reader: what it is fed with, how that is changed, and how it is called."""

    name: str
    read: Callable[[bytes, Path], Any]
    samples: Callable[[Path], Sequence[bytes]]
    mutate: Mutate = mutate_bytes

    def __str__(self) -> str:
        return self.name


def _file(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _wheel(data: bytes, folder: Path) -> object:
    path = _file(data, folder, "demo-1.0-py3-none-any.whl")
    check_wheel(path)
    entries = wheel_entries(path, target_layout())
    return _written(slim(entries), folder)


def _record(data: bytes, folder: Path) -> object:
    files = samples.wheel_files()
    files["demo-1.0.dist-info/RECORD"] = data
    return _wheel(zip_of_files(files), folder)


def _archive(data: bytes, folder: Path) -> object:
    path = _file(data, folder, "deps.zip")
    entries = zip_entries(path)
    check_archive(path)
    _unpacked(path, folder)
    return _written(entries, folder)


def _written(entries: Sequence[Entry], folder: Path) -> object:
    for entry in entries:
        assert not name_problem(entry.name), f"a name that leads out: {entry.name!r}"
    out = folder / "out.zip"
    try:
        written = write_archive(entries, out)
        check_archive(out)
        _unpacked(out, folder)
    finally:
        out.unlink(missing_ok=True)
    return written.entries


def _unpacked(archive: Path, folder: Path) -> None:
    """Unpack it and follow every link: none may end outside."""
    place = folder / "unpacked"
    try:
        unpack(archive, place)
        inside = place.resolve()
        for path in place.rglob("*"):
            if stat.S_ISLNK(path.lstat().st_mode):
                assert path.resolve().is_relative_to(inside), f"a link that leads out: {path}"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _manifest(data: bytes, folder: Path) -> object:
    path = _file(zip_of_files({"bundle-manifest.json": data}), folder, "venv.zip")
    read_venv_manifest(path)
    return bundle_of(venv=path)


def _lock(data: bytes, folder: Path) -> object:
    lock = read_lock(_file(data, folder, "pylock.toml"))
    differences = lock.differences(LockInputs(TARGET, ("demo>=1",)))
    downloads = []
    for package, source in lock.select(TARGET):
        if hasattr(source, "hashes") and hasattr(source, "filename"):
            item = download_of(str(package.name), source, folder)
            assert len(item.sha256) == 64, f"not a hash: {item.sha256!r}"
            downloads.append(item)
    return lock.versions, differences, downloads


def _listing(data: bytes, folder: Path) -> object:
    _file(data, folder, "bundle.lock.json")
    samples.listed_files(folder)
    bundle = read_bundle(folder)
    for path in (bundle.venv, bundle.deps, *bundle.data, *(jar.path for jar in bundle.jars)):
        assert path is None or path.resolve().is_relative_to(folder.resolve()), f"outside: {path}"
    return bundle


def _requirements(data: bytes, folder: Path) -> object:
    return read_requirements([_file(data, folder, "requirements.txt")])


def _project(data: bytes, folder: Path) -> object:
    return find_project(_file(data, folder, "bundle.toml"))


def _descriptor(data: bytes, folder: Path) -> object:
    archive = _file(zip_of_files({"plugin.json": data, "plugin.py": b""}), folder, "plugin.zip")
    return find_plugins(archive), conda_requests([archive], folder)


def _source(data: bytes, folder: Path) -> object:
    package = folder / "project" / "flink_plugins" / "extensions" / "demo"
    package.mkdir(parents=True, exist_ok=True)
    _file(data, package, "__init__.py")
    return find_plugins(folder / "project")


def _plugin(data: bytes, folder: Path) -> object:
    return find_plugins(_file(data, folder, "plugin.zip"))


def _jar(data: bytes, folder: Path) -> object:
    return jar_list([_file(data, folder, "demo.jar")])


def _elf(data: bytes, folder: Path) -> object:
    return read_elf(data)


def _strip(data: bytes, folder: Path) -> object:
    source, out = _file(data, folder, "before.so"), folder / "after.so"
    try:
        done = strip(source, out, symbols=True)
        assert not done or out.stat().st_size <= 2 * len(data) + (1 << 20), "it grew"
        return done
    finally:
        out.unlink(missing_ok=True)


def _environment(data: bytes, folder: Path) -> object:
    return read_environment(_file(data, folder, "environment.yml"))


def _answers(data: bytes, folder: Path) -> object:
    return read_answers(data)


TARGETS: dict[str, FuzzTarget] = {
    target.name: target
    for target in (
        FuzzTarget("wheel", _wheel, samples.wheels, mutate_zip),
        FuzzTarget("record", _record, samples.records, mutate_lines),
        FuzzTarget("archive", _archive, samples.archives, mutate_zip),
        FuzzTarget("manifest", _manifest, samples.manifests, mutate_json),
        FuzzTarget("lock", _lock, samples.locks, mutate_toml),
        FuzzTarget("listing", _listing, samples.listings, mutate_json),
        FuzzTarget("requirements", _requirements, samples.requirements, mutate_lines),
        FuzzTarget("project", _project, samples.projects, mutate_toml),
        FuzzTarget("descriptor", _descriptor, samples.descriptors, mutate_json),
        FuzzTarget("source", _source, samples.sources, mutate_lines),
        FuzzTarget("plugin", _plugin, samples.plugins, mutate_zip),
        FuzzTarget("jar", _jar, samples.jars, mutate_zip),
        FuzzTarget("elf", _elf, samples.elfs),
        FuzzTarget("strip", _strip, samples.elfs),
        FuzzTarget("environment", _environment, samples.environments, mutate_yaml),
        FuzzTarget("answers", _answers, samples.answers, mutate_json),
    )
}


def sample_set(target: FuzzTarget) -> list[bytes]:
    """The inputs that ``target`` starts from, made by code."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        return list(target.samples(Path(folder)))


def changed(data: bytes, target: FuzzTarget, rng: random.Random) -> bytes:
    """One mutation of ``data`` in the way of ``target``."""
    return target.mutate(data, rng)
