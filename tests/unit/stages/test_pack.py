"""What venv.zip holds beside the base and the wheels."""

import os
import subprocess
import sys
import zipfile

from bundler.archive.entry import text_entry
from bundler.base.model import Base
from bundler.session import Session
from bundler.stages.pack import CODE, pack_venv
from bundler.support.cache import Cache
from bundler.target import Target


def test_an_interpreter_finds_what_lies_beside_the_unpacked_archive(tmp_path):
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    base = Base(
        "host",
        "",
        f"{minor}.0",
        (text_entry(f"bin/python{minor}", ""),),
        f"lib/python{minor}/site-packages",
        f"bin/python{minor}",
    )
    target = Target("2.2.1", minor)
    pack_venv(
        base,
        [],
        target,
        tmp_path / "venv.zip",
        rules=(),
        session=Session(Cache(tmp_path / "cache")),
    )
    here = tmp_path / "unpacked"
    with zipfile.ZipFile(tmp_path / "venv.zip") as archive:
        archive.extractall(here / "venv.zip")
    for name in ("deps.zip", CODE):
        (here / name).mkdir()

    site_packages = here / "venv.zip" / "venv" / base.site_packages
    code = f"import site, sys; site.addsitedir({str(site_packages)!r}); print(*sys.path, sep='\\n')"
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        env={**os.environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert finished.stdout.splitlines()[-2:] == [str(here / CODE), str(here / "deps.zip")]
