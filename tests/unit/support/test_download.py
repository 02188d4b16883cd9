from __future__ import annotations

import hashlib
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bundler.errors import BuildError, FetchError, UsageError
from bundler.lock.fetch import fetch
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.transfer import Download
from tests.support.serving import Index, make_wheel

pytestmark = pytest.mark.usefixtures("clean_environment")


def download(index: Index, path: Path, **changes: str) -> Download:
    item = Download(
        package=path.name.partition("-")[0],
        name=path.name,
        url=index.link(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    return replace(item, **changes)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_a_second_fetch_asks_for_nothing(index: Index, cache: Cache) -> None:
    wheels = [make_wheel(index.folder, name) for name in ("one", "two", "three")]
    items = [download(index, wheel) for wheel in wheels]
    first = fetch(items, Session(cache))
    assert [path.read_bytes() for path in first] == [wheel.read_bytes() for wheel in wheels]
    asked = len(index.requests)
    assert fetch(items, Session(cache)) == first
    assert fetch(items, Session(cache, offline=True)) == first
    assert len(index.requests) == asked == 3


def test_offline_without_the_file(index: Index, cache: Cache) -> None:
    item = download(index, make_wheel(index.folder))
    with pytest.raises(FetchError, match="Not in the cache"):
        fetch([item], Session(cache, offline=True))
    assert index.requests == []


def test_other_bytes_never_reach_the_cache(index: Index, cache: Cache) -> None:
    item = download(index, make_wheel(index.folder), sha256="0" * 64)
    with pytest.raises(FetchError, match=r"demo-1\.0-py3-none-any\.whl has sha256"):
        fetch([item], Session(cache))
    assert files_in(cache.root) == []


def test_a_broken_transfer_is_tried_again(
    index: Index, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundler.support.transfer._PAUSE_SECONDS", 0.01)
    wheel = make_wheel(index.folder, big="x" * 100_000)
    index.cut[wheel.name] = 1
    [path] = fetch([download(index, wheel)], Session(cache))
    assert path.read_bytes() == wheel.read_bytes()
    assert len(index.requests) == 2


def test_a_transfer_that_stays_broken(
    index: Index, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundler.support.transfer._PAUSE_SECONDS", 0.01)
    wheel = make_wheel(index.folder, big="x" * 100_000)
    index.cut[wheel.name] = 99
    with pytest.raises(FetchError, match="could not be fetched from 127"):
        fetch([download(index, wheel)], Session(cache))
    assert files_in(cache.root) == []


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(
    index: Index, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundler.support.transfer._PAUSE_SECONDS", 0.01)
    wheel = make_wheel(index.folder)
    index.failures[wheel.name] = [503]
    fetch([download(index, wheel)], Session(cache))
    assert len(index.requests) == 2
    gone = download(index, wheel, url=f"{index.url}/files/gone.whl", sha256="1" * 64)
    with pytest.raises(FetchError, match="answered 404"):
        fetch([gone], Session(cache))
    assert len(index.requests) == 3


def test_a_damaged_cache_file_is_fetched_again(index: Index, cache: Cache) -> None:
    wheel = make_wheel(index.folder)
    item = download(index, wheel)
    [path] = fetch([item], Session(cache))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    assert fetch([item], Session(cache)) == [path]
    assert path.read_bytes() == wheel.read_bytes()
    assert len(index.requests) == 2


def test_a_file_that_is_no_wheel_is_refused_although_its_hash_is_right(
    index: Index, cache: Cache
) -> None:
    fake = index.folder / "demo-1.0-py3-none-any.whl"
    fake.write_bytes(b"not a zip")
    with pytest.raises(BuildError, match=r"demo-1\.0"):
        fetch([download(index, fake)], Session(cache))
    assert files_in(cache.root) == []


def test_credentials_come_from_netrc(
    index: Index, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = download(index, make_wheel(index.folder))
    index.password = ("me", "secret")
    with pytest.raises(FetchError, match="answered 401"):
        fetch([item], Session(cache))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert fetch([item], Session(cache))[0].is_file()


def test_credentials_come_from_the_index_url(
    index: Index, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = download(index, make_wheel(index.folder))
    index.password = ("me", "se/cret")
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//me:se%2Fcret@") + "/simple")
    assert fetch([item], Session(cache))[0].is_file()


def test_a_proxy_is_asked(index: Index, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(index.folder)
    item = download(index, wheel, url=f"http://index.invalid/files/{wheel.name}")
    monkeypatch.setenv("PIP_PROXY", index.url)
    with pytest.raises(FetchError, match="answered 404"):
        fetch([item], Session(cache))
    assert index.requests == [item.url]


def test_a_missing_ca_bundle_is_named(
    index: Index, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CERT", "/nowhere/ca.pem")
    with pytest.raises(UsageError, match=r"/nowhere/ca\.pem does not exist"):
        fetch([download(index, make_wheel(index.folder))], Session(cache))


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("PIP_CERT", __file__, "CA bundle .* could not be read"),
        ("PIP_PROXY", "garbage:xx", "proxy settings are not valid"),
        ("ALL_PROXY", "garbage:xx", "proxy settings are not valid"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    index: Index, cache: Cache, monkeypatch: pytest.MonkeyPatch, name: str, value: str, found: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=found):
        fetch([download(index, make_wheel(index.folder))], Session(cache))


def test_a_local_file_is_copied(index: Index, cache: Cache, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "über uns")
    item = download(index, wheel, url=wheel.as_uri())
    [path] = fetch([item], Session(cache, offline=True))
    wheel.unlink()
    assert fetch([item], Session(cache)) == [path]
    other = replace(item, sha256="2" * 64)
    with pytest.raises(FetchError, match="does not exist"):
        fetch([other], Session(cache))
    wheel.mkdir()
    with pytest.raises(FetchError, match="is a folder"):
        fetch([other], Session(cache))


def _fetch_all(items: list[Download], root: Path) -> None:
    fetch(items, Session(Cache(root)))


def test_processes_share_a_cache(index: Index, cache: Cache) -> None:
    items = [
        download(index, make_wheel(index.folder, f"package{i}", data=os.urandom(2000).hex()))
        for i in range(20)
    ]
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fetch_all, args=(items, cache.root)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert files_in(cache.root) == sorted(item.name for item in items)
    fetch(items, Session(cache, offline=True))
