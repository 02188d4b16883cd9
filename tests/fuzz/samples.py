"""What the fuzzers start from: sound files of every kind, made by code."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import struct
import sys
from pathlib import Path

from tests.fuzz.mutate import zip_of, zip_of_files
from tests.support.making_wheels import hash_of, shared_library, wheel

INFO = "demo-1.0.dist-info"


def wheel_files() -> dict[str, bytes]:
    """A sound wheel's members but RECORD."""
    return {
        "demo/__init__.py": b"x = 1\ndef main(): pass\n",
        "demo/tests/test_a.py": b"from demo import x\n",
        f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }


def records(folder: Path) -> list[bytes]:
    rows = [f"{name},{hash_of(data)},{len(data)}\n" for name, data in wheel_files().items()]
    full = "".join(rows) + f"{INFO}/RECORD,,\n"
    return [full.encode(), "".join(rows[1:]).encode(), b'"a,b",,\n', b""]


def wheels(folder: Path) -> list[bytes]:
    made = [
        wheel(folder, {"demo.py": "x = 1\n"}),
        wheel(
            folder,
            {
                "demo/__init__.py": "def main(): pass\n",
                "demo/tests/__init__.py": "",
                "demo/_c.so": shared_library()[:500],
                "demo-1.0.data/scripts/run": "#!python\nprint()\n",
                "demo-1.0.data/purelib/more.py": "",
                "demo-1.0.data/headers/demo.h": "",
                "demo-1.0.data/data/etc/x": "",
            },
            entry_points="[console_scripts]\nrun2 = demo:main\n[flink_plugins.sink]\nx = demo:x\n",
        ),
    ]
    return [path.read_bytes() for path in made] + [_made(path) for path in made]


def _made(path: Path) -> bytes:
    """The same wheel without data descriptors, as the mutations write them."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return zip_of([(i.filename, i.external_attr, archive.read(i)) for i in archive.infolist()])


def archives(folder: Path) -> list[bytes]:
    from bundler.archive.entry import Entry, Inline, text_entry
    from bundler.archive.writer import write_archive

    link = Entry("b/link", 0o120755, Inline(b"../a.py"))
    entries = [text_entry("a.py", "x = 1\n"), text_entry("b/run", "#!/bin/sh\n"), link]
    written = write_archive(entries, folder / "a.zip", manifest={"kind": "data"})
    members = [("a", 0o100644, b"x"), ("b", 0o120777, b"a"), ("c/", 0o40755, b"")]
    return [
        written.path.read_bytes(),
        zip_of([(name, mode << 16, data) for name, mode, data in members]),
        zip_of([]),
    ]


def manifests(folder: Path) -> list[bytes]:
    target = {"flink": "2.2.1", "python": "3.11.9", "platform": "manylinux2014_x86_64"}
    manifest = {
        "kind": "venv",
        "target": target,
        "packages": {"six": "1.16.0", "numpy": "2.0.1"},
        "slim": ["bytecode", "tests"],
        "executable": "venv/bin/python3.11",
        "python": "3.11.9",
        "base": "standalone",
    }
    return [json.dumps(manifest).encode(), json.dumps({**manifest, "kind": "deps"}).encode()]


def locks(folder: Path) -> list[bytes]:
    digest = "0" * 64
    head = 'lock-version = "1.0"\ncreated-by = "other"\n'
    hashes = f'hashes = {{sha256 = "{digest}"}}'
    name = "demo-1.0-py3-none-any.whl"
    wheel_row = f'{{name = "{name}", url = "https://host.invalid/{name}", size = 10, {hashes}}}'
    return [
        f'{head}[[packages]]\nname = "demo"\nversion = "1.0"\nwheels = [{wheel_row}]\n'.encode(),
        (
            f'{head}requires-python = ">=3.8"\n[[packages]]\nname = "demo"\nversion = "1.0"\n'
            f"marker = \"python_version >= '3.8'\"\n"
            f'sdist = {{name = "demo-1.0.tar.gz", path = "demo-1.0.tar.gz", {hashes}}}\n'
            "[tool.bundle]\nflink = '2.2.1'\npython = '3.11'\nplatform = 'manylinux2014_x86_64'\n"
            "requirements = ['demo>=1']\noptions = []\nconstraints = []\n"
            "created = '2026-01-01T00:00:00Z'\n"
        ).encode(),
        (
            f'{head}[[packages]]\nname = "a"\narchive = {{path = "a.zip", {hashes}, '
            'subdirectory = "x"}\n[[packages]]\nname = "b"\nvcs = {type = "git", '
            'url = "https://host.invalid/b", commit-id = "' + "a" * 40 + '"}\n'
            '[[packages]]\nname = "c"\ndirectory = {path = "./c"}\n'
        ).encode(),
    ]


def listed_files(folder: Path) -> None:
    """What `listings` names, in ``folder``."""
    jar = folder / "demo.jar"
    if not jar.exists():
        jar.write_bytes(jar_bytes())
        (folder / "venv.zip").write_bytes(zip_of_files({"x": b""}))


def listings(folder: Path) -> list[bytes]:
    listed_files(folder)

    def row(name: str) -> dict[str, object]:
        data = (folder / name).read_bytes()
        return {"file": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    listing = {
        "target": {"flink": "2.2.1", "python": "3.11", "platform": "manylinux2014_x86_64"},
        "executable": "venv.zip/venv/bin/python3.11",
        "archives": [{"kind": "venv", **row("venv.zip"), "packages": {"six": "1.16.0"}}],
        "jars": [row("demo.jar")],
    }
    return [json.dumps(listing).encode()]


def requirements(folder: Path) -> list[bytes]:
    return [
        b"demo>=1  # comment\nother==2.0 ; python_version < '3.8'\n",
        b"--index-url https://host.invalid/simple\n-f ./links\n--no-binary demo\ndemo \\\n  "
        b"--hash=sha256:" + b"0" * 64 + b"\n-e ./here\n",
        b"-r requirements.txt\n-c constraints.txt\n",
        b"\xef\xbb\xbfdemo @ https://user:word@host.invalid/demo-1.0-py3-none-any.whl\n",
        "demo\n".encode("utf-16"),
    ]


def projects(folder: Path) -> list[bytes]:
    return [
        b'[target]\nflink = "2.2.1"\npython = "3.11"\n[deps]\npackages = ["demo"]\n',
        b'[venv]\nbase = "standalone"\nrequirements = ["r.txt"]\nslim = ["tests"]\n[data.models]\n'
        b'paths = ["m"]\n[jars]\nfiles = ["a.jar"]\n[job]\nscript = "job.py"\nparallelism = 2\n'
        b'[job.configuration]\n"a.b" = 1\n[build]\nenvironment = {A = "b"}\n',
    ]


def descriptors(folder: Path) -> list[bytes]:
    plain = {
        "version": "v1.0.0",
        "language": "python",
        "executable": "plugin.py",
        "sources": ["a"],
        "sinks": ["b"],
        "functions": ["c"],
    }
    conda = {**plain, "virtualEnvType": "conda", "env": "job"}
    return [json.dumps(plain).encode(), json.dumps(conda).encode()]


def sources(folder: Path) -> list[bytes]:
    return [
        b'__all__ = ["Demo"]\n__version__ = "1.0"\nversion = "1"\n'
        b"class Demo:\n    def open(self): pass\n    def exec(self): pass\n",
        b"x = (1 + 2j) ** 3\n__all__ = [*'ab', 'c']\nclass A:\n  async def collect(self): pass\n",
        "# -*- coding: latin-1 -*-\n__all__: list = ['é']\n".encode("latin-1"),
    ]


def plugins(folder: Path) -> list[bytes]:
    descriptor = descriptors(folder)[1]
    inner = zip_of_files({"p.json": descriptor.replace(b"plugin.py", b"p.py"), "p.py": b""})
    points = b"[flink_plugins.source]\nx = demo:X\n[sinetstream.writer]\ny = demo:Y\n"
    environment = {"environment.yml": b"name: job\n"}
    return [
        zip_of_files({"plugin.json": descriptor, "plugin.py": b"", **environment}),
        zip_of_files({"inner.zip": inner, f"{INFO}/entry_points.txt": points}),
        zip_of_files({"flink_plugins/extensions/demo/__init__.py": sources(folder)[0]}),
    ]


def jar_bytes() -> bytes:
    manifest = b"Manifest-Version: 1.0\r\nMain-Class: a.B\r\nClass-Path: x.jar\r\n\r\n"
    magic = b"\xca\xfe\xba\xbe" + bytes(60)
    return zip_of_files({"META-INF/MANIFEST.MF": manifest, "a/B.class": magic})


def jars(folder: Path) -> list[bytes]:
    service = {"META-INF/services/org.apache.flink.table.factories.Factory": b"a.B\n"}
    version = {"META-INF/versions/11/a/B.class": b"\xca\xfe\xba\xbe"}
    nested = zip_of_files({"lib/inner.jar": jar_bytes()})
    return [jar_bytes(), zip_of_files({**service, **version}), nested]


def elfs(folder: Path) -> list[bytes]:
    """A made library and, if there is a compiler, a real one with debug information."""
    made = [shared_library(), dynamic_library()]
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler and sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64"):
        import subprocess

        code, out = folder / "a.c", folder / "a.so"
        code.write_text('#include <stdio.h>\nint f(void) { return printf("x"); }\n')
        flags = ["-shared", "-fPIC", "-g", "-Wl,-rpath,$ORIGIN/lib", "-Wl,-soname,liba.so.1"]
        if subprocess.run([compiler, *flags, "-o", out, code], capture_output=True).returncode == 0:
            made.append(out.read_bytes())
    return made


def dynamic_library() -> bytes:
    """A 64-bit ELF with .dynamic, .dynstr and .gnu.version_r, smaller than a compiler makes it."""
    text = b"\0libc.so.6\0GLIBC_2.17\0liba.so\0$ORIGIN\0"
    at = {word: text.index(word) for word in (b"libc", b"GLIBC", b"liba", b"$ORIGIN")}
    dynamic = b"".join(
        struct.pack("<qQ", tag, value)
        for tag, value in ((1, at[b"libc"]), (14, at[b"liba"]), (29, at[b"$ORIGIN"]), (0, 0))
    )
    needed = struct.pack("<HHIII", 1, 1, at[b"libc"], 16, 0)
    needed += struct.pack("<IHHII", 0x06969197, 0, 2, at[b"GLIBC"], 0)
    names = b"\0.dynstr\0.dynamic\0.gnu.version_r\0.shstrtab\0"
    parts = [
        (1, 3, 0, text),
        (9, 6, 16, dynamic),
        (18, 0x6FFFFFFE, 0, needed),
        (33, 3, 0, names),
    ]
    body = bytearray(64)
    rows = [struct.pack("<IIQQQQIIQQ", *(0,) * 10)]
    for name, kind, entry, data in parts:
        body += bytes(-len(body) % 8)
        info = 1 if kind == 0x6FFFFFFE else 0
        rows.append(
            struct.pack("<IIQQQQIIQQ", name, kind, 2, 0, len(body), len(data), 1, info, 8, entry)
        )
        body += data
    body += bytes(-len(body) % 8)
    struct.pack_into("<16sHHIQQQIHHHHHH", body, 0, b"\x7fELF\2\1\1", 3, 62, 1, 0, 0, len(body), 0,
                     64, 56, 0, 64, len(rows), len(rows) - 1)  # fmt: skip
    return bytes(body) + b"".join(rows)


def environments(folder: Path) -> list[bytes]:
    return [
        b"name: job\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip:\n"
        b"    - docopt==0.6.2\n",
        b"dependencies: &a [numpy >=1.26]\nvariables: {A: 1}\nplatforms: *a\n",
    ]


def answers(folder: Path) -> list[bytes]:
    """JSON of what a master answers, by path, and whole responses; see `tests.fuzz.rest`."""
    job = "0" * 32
    jar = "/tmp/jars/01234567-0123-0123-0123-0123456789ab_a.jar"
    good: dict[str, object] = {
        "/config": {"flink-version": "2.2.1", "features": {"web-submit": True}},
        "/jobs": {"state": "RUNNING", "vertices": [{"status": "RUNNING"}], "jid": job},
        "/exceptions": {"exceptionHistory": {"entries": []}},
        "/run": {"jobid": job},
        "/upload": {"filename": jar, "status": "success"},
    }
    trace = "Caused by: x\nTraceback (most recent call last):\n  x\nE: y"
    failing = {**good, "/exceptions": {"exceptionHistory": {"entries": [{"stacktrace": trace}]}}}
    failed = {**failing, "/jobs": {"state": "FAILED"}}
    refused = {"/config": {"errors": [trace]}}
    body = json.dumps(good["/config"]).encode()
    return [
        *(json.dumps(each).encode() for each in (good, failing, failed, refused)),
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ]
