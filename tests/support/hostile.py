"""Inputs that were made to do harm, each by code: wheels, archives, plugins, JARs, locks.

A case writes its files into a folder and gives the words of the command that reads them. What it
stands for is its ``kind``. ``refused`` cases must end with one of the exit codes of a BundlerError;
the others may also end well, as long as nothing that was promised is broken.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.making_wheels import hash_of, shared_library
from tests.support.raw_zip import LINK, RawMember, bomb, raw_zip

INFO = "evil-1.0.dist-info"
WHEEL_NAME = "evil-1.0-py3-none-any.whl"
METADATA = b"Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
BODY = b"x = 1\ndef main(): pass\n"
PROJECT = '[target]\nflink = "2.2.1"\npython = "3.11"\n[deps]\npackages = ["evil==1.0"]\n'
TARGET = {"flink": "2.2.1", "python": "3.11", "platform": "manylinux2014_x86_64"}

Make = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Hostile:
    """One input: ``make`` writes it into a folder and gives the words of the command.

    ``kind`` says in a few words what it stands for; ``says`` must be in the message, if set.
    """

    name: str
    kind: str
    make: Make
    refused: bool = True
    says: str = ""

    def __str__(self) -> str:
        return self.name


# --- wheels ----------------------------------------------------------------------------------


def evil_wheel(
    *more: RawMember,
    files: Mapping[str, bytes | None] | None = None,
    info: str = INFO,
    record: bytes | None = None,
    **zip_fields: object,
) -> bytes:
    """A wheel that is sound but for what is asked: ``more`` members, ``files`` put over the sound
    ones (None leaves one out), another dist-info folder, ``record`` instead of the right one.
    """
    sound: dict[str, bytes | None] = {
        "evil/__init__.py": BODY,
        f"{info}/METADATA": METADATA,
        f"{info}/WHEEL": WHEEL,
        **(files or {}),
    }
    members = [RawMember(name, data) for name, data in sound.items() if data is not None]
    members += more
    if record is None:
        rows = [f'"{_text(m.name)}",{hash_of(m.content)},{len(m.content)}\n' for m in members]
        record = ("".join(rows) + f"{info}/RECORD,,\n").encode(errors="surrogatepass")
    if f"{info}/RECORD" not in [member.name for member in members]:
        members.append(RawMember(f"{info}/RECORD", record))
    return raw_zip(members, **zip_fields)  # type: ignore[arg-type]


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "replace")


def lock_text(wheel: bytes, name: str = WHEEL_NAME, **fields: str) -> str:
    """A lock of another tool for one wheel beside it; ``fields`` go over ``sha256``, ``path``."""
    digest = fields.get("sha256", hashlib.sha256(wheel).hexdigest())
    path = fields.get("path", name)
    return (
        'lock-version = "1.0"\ncreated-by = "other"\n[[packages]]\nname = "evil"\n'
        f'version = "1.0"\nwheels = [{{name = {json.dumps(name)}, path = {json.dumps(path)}, '
        f"hashes = {{sha256 = {json.dumps(digest)}}}}}]\n"
    )


def built_from(wheel: bytes, name: str = WHEEL_NAME, **fields: str) -> Make:
    """`bundle build` of a project whose lock names ``wheel``."""

    def make(folder: Path) -> list[str]:
        (folder / "bundle.toml").write_text(PROJECT)
        (folder / name).write_bytes(wheel)
        (folder / "pylock.deps.toml").write_text(lock_text(wheel, name, **fields))
        return ["build", "--project", str(folder), "--no-check", "-o", str(folder / "out")]

    return make


def _project(text: str, **files: str) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "bundle.toml").write_text(text)
        for name, content in files.items():
            (folder / name.replace("__", ".")).write_text(content)
        return ["build", "--project", str(folder), "--no-check", "-o", str(folder / "out")]

    return make


def _outside(folder: Path) -> str:
    """A relative path from anywhere below to ESCAPED beside the case's folder."""
    return "../" * 40 + str(folder.parent / "ESCAPED").lstrip("/")


def _hash_is_a_path(folder: Path) -> list[str]:
    wheel = evil_wheel()
    return built_from(wheel, sha256=_outside(folder))(folder)


def _name_is_a_path(folder: Path) -> list[str]:
    wheel = evil_wheel()
    words = built_from(wheel)(folder)
    text = lock_text(wheel).replace(f'name = "{WHEEL_NAME}"', 'name = "../../' + WHEEL_NAME + '"')
    (folder / "pylock.deps.toml").write_text(text)
    return words


def _subdirectory_is_a_path(folder: Path) -> list[str]:
    words = built_from(evil_wheel())(folder)
    archive = raw_zip([RawMember("evil-1.0/pyproject.toml", b"[build-system]\nrequires = []\n")])
    (folder / "evil.zip").write_bytes(archive)
    (folder / "pylock.deps.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "other"\n[[packages]]\nname = "evil"\n'
        'version = "1.0"\narchive = {path = "evil.zip", subdirectory = "../../../..", '
        f'hashes = {{sha256 = "{hashlib.sha256(archive).hexdigest()}"}}}}\n'
    )
    return [*words, "--builder", "local"]


def link(name: str, target: str | bytes) -> RawMember:
    """A symlink."""
    return RawMember(name, target.encode() if isinstance(target, str) else target, LINK)


def _rpath_library(machine: int) -> bytes:
    data = bytearray(shared_library())
    struct.pack_into("<H", data, 18, machine)
    return bytes(data)


def _with_record(rows: str, **options: object) -> bytes:
    """The evil wheel whose RECORD is the right one plus ``rows``."""
    sound = {"evil/__init__.py": BODY, f"{INFO}/METADATA": METADATA, f"{INFO}/WHEEL": WHEEL}  # fmt: skip # noqa: E501
    right = "".join(f"{name},{hash_of(data)},{len(data)}\n" for name, data in sound.items())
    return evil_wheel(record=f"{right}{rows}{INFO}/RECORD,,\n".encode(), **options)  # type: ignore[arg-type]


_ENTRY = f"{INFO}/entry_points.txt"

_WHEELS: tuple[tuple[str, str, bytes, bool], ...] = (
    # a link chain leaves the archive
    (
        "symlink-chain-out",
        "link chain",
        evil_wheel(link("evil/a/b/c/s", "../../.."), link("out", "evil/a/b/c/s/../../..")),
        True,
    ),
    (
        "symlink-chain-of-three",
        "link chain",
        evil_wheel(
            link("evil/d/one", ".."), link("evil/two", "d/one/.."), link("evil/out", "two/../..")
        ),
        True,
    ),
    (
        "file-below-a-link",
        "link chain",
        evil_wheel(link("evil/dir", ".."), RawMember("evil/dir/file", b"x")),
        True,
    ),
    ("symlink-loop", "link chain", evil_wheel(link("evil/a", "b"), link("evil/b", "a")), False),
    ("symlink-absolute", "link chain", evil_wheel(link("evil/l", "/etc/passwd")), True),
    ("symlink-target-not-utf8", "traceback", evil_wheel(link("evil/l", b"\xff\xfe")), True),
    ("symlink-target-nul", "traceback", evil_wheel(link("evil/l", b"a\0b")), True),
    # names
    ("name-parent", "name leads out", evil_wheel(RawMember("../evil.py", b"")), True),
    ("name-absolute", "name leads out", evil_wheel(RawMember("/tmp/evil.py", b"")), True),
    ("name-drive", "name leads out", evil_wheel(RawMember("C:/evil.py", b"")), True),
    ("name-backslash", "name leads out", evil_wheel(RawMember("..\\evil.py", b"")), True),
    ("name-nul", "traceback", evil_wheel(RawMember("evil/a\0.py", b"")), True),
    ("name-newline", "control characters", evil_wheel(RawMember("evil/a\nb.py", b"")), True),
    ("name-escape", "control characters", evil_wheel(RawMember("evil/\x1b[31m.py", b"")), True),
    ("name-too-long", "cannot unpack", evil_wheel(RawMember("evil/" + "n" * 300, b"")), True),
    ("path-too-long", "cannot unpack", evil_wheel(RawMember("evil/" + "d/" * 2100, b"")), True),
    ("path-too-long-file", "cannot unpack", evil_wheel(RawMember("e/" * 2100 + "f", b"")), True),
    (
        "link-target-too-long",
        "cannot unpack",
        evil_wheel(link("evil/l", "./" * 2100 + "__init__.py")),
        True,
    ),
    ("data-scheme-out", "name leads out", evil_wheel(RawMember("evil-1.0.data/../x", b"")), True),
    ("data-scheme-odd", "lie", evil_wheel(RawMember("evil-1.0.data/etc/x", b"")), True),
    (
        "script-name-out",
        "name leads out",
        evil_wheel(files={_ENTRY: b"[console_scripts]\n../../x = evil:main\n"}),
        True,
    ),
    (
        "script-name-absolute",
        "name leads out",
        evil_wheel(files={_ENTRY: b"[console_scripts]\n/tmp/x = evil:main\n"}),
        True,
    ),
    (
        "script-code",
        "option injection",
        evil_wheel(files={_ENTRY: b"[console_scripts]\nx = evil:main;import os\n"}),
        False,
    ),
    # read whole
    ("bomb-record", "unbounded read", evil_wheel(bomb(f"{INFO}/RECORD", 1024)), True),
    (
        "bomb-wheel",
        "unbounded read",
        evil_wheel(bomb(f"{INFO}/WHEEL", 1024), files={f"{INFO}/WHEEL": None}),
        True,
    ),
    (
        "bomb-metadata",
        "unbounded read",
        evil_wheel(bomb(f"{INFO}/METADATA", 1024), files={f"{INFO}/METADATA": None}),
        True,
    ),
    ("bomb-entry-points", "unbounded read", evil_wheel(bomb(_ENTRY, 1024)), True),
    ("bomb-script", "unbounded read", evil_wheel(bomb("evil-1.0.data/scripts/x", 1024)), True),
    ("bomb-link", "unbounded read", evil_wheel(bomb("evil/l", 1024, LINK)), True),
    # tracebacks
    ("record-not-utf8", "traceback", evil_wheel(record=b"\xff\xfe,,\n"), True),
    ("record-odd-hash", "traceback", _with_record("evil/x,\0=abc,1\n"), False),
    ("record-huge-field", "traceback", evil_wheel(record=b"a" * 200_000 + b",,\n"), True),
    ("record-quotes", "traceback", evil_wheel(record=b'"evil/__init__.py'), True),
    ("wheel-not-utf8", "traceback", evil_wheel(files={f"{INFO}/WHEEL": b"\xff"}), True),
    ("wheel-version-2", "lie", evil_wheel(files={f"{INFO}/WHEEL": b"Wheel-Version: 2.0\n"}), True),
    (
        "wheel-version-odd",
        "lie",
        evil_wheel(files={f"{INFO}/WHEEL": b"Wheel-Version: 1.b\n"}),
        True,
    ),
    ("wheel-empty", "lie", evil_wheel(files={f"{INFO}/WHEEL": b""}), True),
    (
        "zip64-offset",
        "traceback",
        raw_zip([RawMember("a", extra=struct.pack("<2HQ", 1, 8, 1 << 63), offset=0xFFFFFFFF)]),
        True,
    ),
    ("not-a-zip", "traceback", b"not a zip at all", True),
    ("empty-file", "traceback", b"", True),
    # lies
    (
        "metadata-other-version",
        "lie",
        evil_wheel(
            info="evil-9.9.dist-info",
            files={"evil-9.9.dist-info/METADATA": METADATA.replace(b"1.0", b"9.9")},
        ),
        True,
    ),
    (
        "metadata-other-name",
        "lie",
        evil_wheel(files={f"{INFO}/METADATA": METADATA.replace(b"evil", b"good")}),
        True,
    ),
    ("metadata-missing", "lie", evil_wheel(files={f"{INFO}/METADATA": None}), True),
    (
        "metadata-version-only",
        "lie",
        evil_wheel(files={f"{INFO}/METADATA": METADATA.replace(b"1.0\n", b"2.0\n")}),
        True,
    ),
    ("dist-info-of-another", "lie", evil_wheel(info="good-1.0.dist-info"), True),
    (
        "dist-info-twice",
        "lie",
        evil_wheel(RawMember("good-1.0.dist-info/METADATA", METADATA)),
        True,
    ),
    ("dist-info-missing", "lie", raw_zip([RawMember("evil.py", b"")]), True),
    (
        "tag-other",
        "lie",
        evil_wheel(files={f"{INFO}/WHEEL": WHEEL.replace(b"py3-none-any", b"cp39-cp39-win32")}),
        False,
    ),
    ("record-absent-file", "lie", _with_record("evil/gone.py,,\n"), False),
    ("record-parent", "lie", _with_record("../../outside.py,,\n"), True),
    ("record-double", "lie", _with_record("evil/__init__.py,,\n"), True),
    (
        "record-size",
        "lie",
        evil_wheel(record=f"evil/__init__.py,{hash_of(BODY)},9999\n{INFO}/RECORD,,\n".encode()),
        False,
    ),
    (
        "record-hash",
        "lie",
        evil_wheel(record=f"evil/__init__.py,{hash_of(b'other')},23\n{INFO}/RECORD,,\n".encode()),
        True,
    ),
    (
        "record-weak-hash",
        "lie",
        evil_wheel(record=f"evil/__init__.py,md5=AAAA,23\n{INFO}/RECORD,,\n".encode()),
        True,
    ),
    (
        "record-missing",
        "lie",
        raw_zip(
            [
                RawMember("evil.py"),
                RawMember(f"{INFO}/METADATA", METADATA),
                RawMember(f"{INFO}/WHEEL", WHEEL),
            ]
        ),
        True,
    ),
    ("elf-other-machine", "lie", evil_wheel(RawMember("evil/_c.so", _rpath_library(183))), False),
)


def _deep(text: str, times: int) -> str:
    return text[0] * times + text[-1] * times


# --- archives, plugins, JARs -----------------------------------------------------------------


def venv_of(manifest: object) -> bytes:
    """A zip with this manifest, text or JSON."""
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    return raw_zip([RawMember("bundle-manifest.json", text)])


def manifest(**fields: object) -> dict[str, object]:
    """A venv.zip's manifest with ``fields`` put over it; None leaves one out."""
    sound = {
        "kind": "venv",
        "target": TARGET,
        "packages": {"six": "1.16.0"},
        "slim": [],
        "executable": "venv/bin/python3.11",
        "python": "3.11.7",
    }
    return {key: value for key, value in {**sound, **fields}.items() if value is not None}


def _configured(data: bytes) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "venv.zip").write_bytes(data)
        (folder / "job.py").write_text("")
        return ["config", "--venv", str(folder / "venv.zip"), "--script", str(folder / "job.py")]

    return make


def _excluded(data: bytes) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "venv.zip").write_bytes(data)
        (folder / "r.txt").write_text("six==1.16.0\n")
        words = ["deps", "-r", str(folder / "r.txt"), "--exclude-in", str(folder / "venv.zip")]
        return [*words, "--offline", "--no-check", "-o", str(folder / "out" / "deps.zip")]

    return make


_INDEX = "six\n--index-url http://127.0.0.1:9/simple"
_MANIFESTS: tuple[tuple[str, str, object], ...] = (
    ("no-target", "traceback", manifest(target=None)),
    ("target-a-list", "traceback", manifest(target=["2.2.1"])),
    ("target-numbers", "traceback", manifest(target={"flink": 2, "python": 3, "platform": 4})),
    ("target-surplus", "traceback", manifest(target={**TARGET, "more": "x"})),
    ("nested", "traceback", b'{"kind": "venv", "a": ' + _deep("[]", 100_000).encode() + b"}"),
    ("not-utf8", "traceback", b'{"kind": "venv\xff"}'),
    ("a-list", "traceback", [manifest()]),
    ("nan", "traceback", b'{"kind": "venv", "python": NaN}'),
    ("packages-a-list", "traceback", manifest(packages=["six"])),
    ("package-is-an-option", "option injection", manifest(packages={_INDEX: "1.0"})),
    ("version-is-an-option", "option injection", manifest(packages={"six": f"1.0{_INDEX[3:]}"})),
    (
        "package-is-a-url",
        "option injection",
        manifest(packages={"six @ http://127.0.0.1:9/s": "1"}),
    ),
    ("executable-newline", "option injection", manifest(executable="venv/bin/python\npython.x: y")),
    ("executable-out", "name leads out", manifest(executable="../../bin/sh")),
    ("executable-absolute", "name leads out", manifest(executable="/bin/sh")),
    ("python-escape", "control characters", manifest(python="3.11\x1b[31m")),
    ("executable-number", "traceback", manifest(executable=5)),
)


def _descriptor(**fields: object) -> bytes:
    sound = {"version": "1", "language": "python", "executable": "p.py", "sources": ["s"]}
    return json.dumps({**sound, **fields}).encode()


def _plugin(*members: RawMember) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "plugin.zip").write_bytes(raw_zip(members))
        return ["plugins", str(folder / "plugin.zip")]

    return make


def _described(descriptor: bytes) -> Make:
    return _plugin(RawMember("p.json", descriptor), RawMember("p.py"))


_PACKAGE = "flink_plugins/extensions/evil/__init__.py"
_PLUGINS: tuple[tuple[str, str, Make, bool], ...] = (
    (
        "wrong-crc",
        "traceback",
        _plugin(RawMember("p.json", _descriptor(), crc=1), RawMember("p.py")),
        True,
    ),
    ("sources-a-number", "traceback", _described(_descriptor(sources=5)), True),
    ("sources-objects", "traceback", _described(_descriptor(sources=[{"a": []}])), True),
    ("version-a-list", "traceback", _described(_descriptor(version=[1])), True),
    ("executable-nul", "traceback", _described(_descriptor(executable="a\0b")), False),
    ("descriptor-nested", "traceback", _described(_deep("[]", 30_000).encode()), False),
    ("name-escape", "control characters", _described(_descriptor(sources=["\x1b]0;x\x07"])), False),
    (
        "environment-option",
        "option injection",
        _described(_descriptor(virtualEnvType="conda", env="--yes\nx")),
        True,
    ),
    (
        "source-nested",
        "traceback",
        _plugin(RawMember(_PACKAGE, b"x = " + _deep("()", 50_000).encode())),
        False,
    ),
    (
        "source-unary",
        "traceback",
        _plugin(RawMember(_PACKAGE, b"x = " + b"-" * 60_000 + b"1\n")),
        False,
    ),
    ("source-nul", "traceback", _plugin(RawMember(_PACKAGE, b"x = 1\0")), False),
    (
        "source-power",
        "unbounded read",
        _plugin(RawMember(_PACKAGE, b"__all__ = 5\nversion = 9 ** 9 ** 9\n")),
        False,
    ),
    ("source-bomb", "unbounded read", _plugin(bomb(_PACKAGE, 1024)), True),
    ("nested-bomb", "unbounded read", _plugin(bomb("inner.zip", 1024)), False),
    ("entry-points-bomb", "unbounded read", _plugin(bomb(_ENTRY, 1024)), True),
    (
        "encrypted",
        "traceback",
        _plugin(RawMember("p.json", _descriptor(), flags=1), RawMember("p.py")),
        True,
    ),
    (
        "odd-method",
        "traceback",
        _plugin(RawMember("p.json", _descriptor(), method=99), RawMember("p.py")),
        True,
    ),
    (
        "version-25.5",
        "traceback",
        _plugin(RawMember("p.json", _descriptor(), needed=255), RawMember("p.py")),
        True,
    ),
)


def _jar(data: bytes, *more: str) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "evil.jar").write_bytes(data)
        return ["jars", str(folder / "evil.jar"), *more]

    return make


_MAIN = "META-INF/MANIFEST.MF"
_CLASS = RawMember("a/B.class", b"\xca\xfe\xba\xbe" + bytes(20))
_JARS: tuple[tuple[str, str, bytes, bool], ...] = (
    ("version-25.5", "traceback", raw_zip([RawMember(_MAIN, b"x", needed=255)]), True),
    ("encrypted", "traceback", raw_zip([RawMember(_MAIN, b"x", flags=1), _CLASS]), True),
    ("odd-method", "traceback", raw_zip([RawMember(_MAIN, b"x", method=99), _CLASS]), True),
    (
        "manifest-not-utf8",
        "traceback",
        raw_zip([RawMember(_MAIN, b"\xff\xfe: x\r\n"), _CLASS]),
        False,
    ),
    ("manifest-bomb", "unbounded read", raw_zip([bomb(_MAIN, 1024), _CLASS]), False),
    ("name-out", "name leads out", raw_zip([_CLASS, RawMember("../../evil.class")]), True),
    (
        "zip64-offset",
        "traceback",
        raw_zip(
            [RawMember("a/B.class", extra=struct.pack("<2HQ", 1, 8, 1 << 63), offset=0xFFFFFFFF)]
        ),
        True,
    ),
    ("truncated", "traceback", raw_zip([_CLASS])[:-5], True),
)


# --- projects, requirements, outputs ---------------------------------------------------------


def _required(text: bytes | None, *words: str, special: str = "") -> Make:
    def make(folder: Path) -> list[str]:
        file = folder / "r.txt"
        if text is not None:
            file.write_bytes(text)
        elif special == "fifo":
            os.mkfifo(file)
        else:
            file.symlink_to(special)
        out = str(folder / "out" / "deps.zip")
        return ["deps", "-r", str(file), "--offline", "--no-check", "-o", out, *words]

    return make


def _chain_of_files(folder: Path) -> list[str]:
    for number in range(3000):
        (folder / f"r{number}.txt").write_text(f"-r r{number + 1}.txt\n")
    (folder / "r3000.txt").write_text("six\n")
    return _required(b"-r r0.txt\n")(folder)


def _doubling_files(folder: Path) -> list[str]:
    for number in range(40):
        line = f"-r d{number + 1}.txt\n"
        (folder / f"d{number}.txt").write_text(line * 2)
    (folder / "d40.txt").write_text("six\n")
    return _required(b"-r d0.txt\n")(folder)


def _data(special: Callable[[Path], None], *, out: str = "out/data.zip") -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "data").mkdir()
        (folder / "data" / "x").write_text("x")
        special(folder)
        return ["data", str(folder / "data"), "-o", str(folder / out)]

    return make


def _links_out(folder: Path) -> None:
    (folder / "data" / "in").mkdir()
    (folder / "data" / "in" / "s").symlink_to("..")
    (folder / "data" / "out").symlink_to("in/s/../..")


def _device(folder: Path) -> None:
    try:
        os.mknod(folder / "device", 0o20666, os.makedev(1, 3))
    except PermissionError:  # only root may; a FIFO stands for it
        os.mkfifo(folder / "device")


_HASH = "0" * 64
_PROJECTS: tuple[tuple[str, str, Make, bool], ...] = (
    ("lock-hash-is-a-path", "value used as a path", _hash_is_a_path, True),
    ("lock-name-is-a-path", "value used as a path", _name_is_a_path, True),
    ("lock-subdirectory-is-a-path", "value used as a path", _subdirectory_is_a_path, True),
    ("lock-nested", "traceback", _project(PROJECT, pylock__deps__toml="a = " + _deep("[]", 5000)), True),  # noqa: E501
    ("lock-no-hash", "traceback", _project(PROJECT, pylock__deps__toml=lock_text(b"").replace(f'sha256 = "{hashlib.sha256(b"").hexdigest()}"', f'md5 = "{_HASH}"')), True),  # noqa: E501
    ("lock-huge-version", "traceback", _project(PROJECT, pylock__deps__toml=lock_text(b"").replace('"1.0"\nwheels', '"' + "6" * 5000 + '"\nwheels')), True),  # noqa: E501
    ("lock-url-control", "traceback", _project(PROJECT, pylock__deps__toml=lock_text(b"").replace('path = "', 'url = "http://127.0.0.1:9/a\\u0000\\u001b')), True),  # noqa: E501
    ("toml-nested", "traceback", _project("a = " + _deep("[]", 5000)), True),
    ("toml-nul-path", "traceback", _project('[deps]\nrequirements = ["a\\u0000b"]\n'), True),
    ("toml-package-newline", "option injection", _project(f'[deps]\npackages = ["{_INDEX.encode("unicode_escape").decode()}"]\n'), True),  # noqa: E501
    ("toml-package-option", "option injection", _project('[deps]\npackages = ["--index-url=http://127.0.0.1:9/"]\n'), True),  # noqa: E501
    ("toml-huge-number", "traceback", _project(f"[job]\nparallelism = {'9' * 5000}\n"), True),
    ("requirements-endless", "unbounded read", _required(None, special="/dev/zero"), True),
    ("requirements-fifo", "unbounded read", _required(None, special="fifo"), True),
    ("requirements-nul", "traceback", _required(b"-r a\0b\n"), True),
    ("requirements-long-name", "traceback", _required(b"-r " + b"n" * 5000 + b"\n"), True),
    ("requirements-long-links", "traceback", _required(b"six\n-f " + b"n" * 5000 + b"\n"), True),
    ("requirements-chain", "traceback", _chain_of_files, True),
    ("requirements-doubling", "unbounded read", _doubling_files, True),
    ("requirements-escape", "control characters", _required(b"six ==\x1b[31m\n"), True),
    ("data-fifo", "unbounded read", _data(lambda folder: os.mkfifo(folder / "data" / "f")), True),
    ("data-links-out", "link chain", _data(_links_out), True),
    ("data-name-escape", "control characters", _data(lambda folder: (folder / "data" / "\x1b[31m").write_text("") and None), True),  # noqa: E501
    ("output-device", "output replaces", _data(_device, out="device"), True),
    ("output-fifo", "output replaces", _data(lambda folder: os.mkfifo(folder / "pipe"), out="pipe"), True),  # noqa: E501
    ("output-folder", "output replaces", _data(lambda folder: (folder / "taken").mkdir(), out="taken"), True),  # noqa: E501
)  # fmt: skip


def cases() -> list[Hostile]:
    """All of them, made anew; they hold no files."""
    made = [Hostile(f"wheel-{n}", k, built_from(data), r) for n, k, data, r in _WHEELS]
    for name, kind, content in _MANIFESTS:
        data = venv_of(content)
        made.append(Hostile(f"config-{name}", kind, _configured(data)))
        made.append(Hostile(f"exclude-{name}", kind, _excluded(data)))
    made += [Hostile(f"plugin-{name}", kind, make, r) for name, kind, make, r in _PLUGINS]
    made += [Hostile(f"jar-{name}", kind, _jar(data), r) for name, kind, data, r in _JARS]
    made += [Hostile(name, kind, make, refused) for name, kind, make, refused in _PROJECTS]
    return made
