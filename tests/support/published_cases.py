"""The malicious archives that pip, uv and installer publish in their tests, rebuilt as wheels.

Each is made from the description of what is wrong with it. ``python -m
tests.support.published_cases`` installs each with pip and with uv and prints a table of verdicts.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from tests.support.hostile import BODY, INFO, METADATA, WHEEL, WHEEL_NAME, evil_wheel, link
from tests.support.making_wheels import hash_of
from tests.support.raw_zip import DESCRIPTOR, STORED, UTF8, RawMember, raw_zip
from tests.support.serving import serve

_X = "evil/x.py"
_CRC = zlib.crc32(BODY)
_EMPTY_END = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Published:
    """One case: who publishes it, the wheel, and what pip and uv do with it ("refuses",
    "installs"), as measured.
    """

    source: str
    name: str
    wheel: bytes
    pip: str
    uv: str

    def __str__(self) -> str:
        return f"{self.source}-{self.name}"


def _member(**fields: object) -> bytes:
    return evil_wheel(RawMember(_X, BODY, **fields))  # type: ignore[arg-type]


def _files(name: str, content: bytes | None) -> bytes:
    return evil_wheel(files={f"{INFO}/{name}": content})


def _zip64(size: int, packed: int) -> bytes:
    return struct.pack("<2H2Q", 1, 16, size, packed)


def _unicode(name: bytes, crc_of: bytes) -> bytes:
    return struct.pack("<2HBL", 0x7075, 5 + len(name), 1, zlib.crc32(crc_of)) + name


_DEFLATED = zlib.compressobj(6, zlib.DEFLATED, -15)
_LENGTH = len(_DEFLATED.compress(BODY) + _DEFLATED.flush())
_INNER = raw_zip([RawMember("evil/inner.py", b"x = 2\n")])
_POINTS = "entry_points.txt"

_CASES: dict[tuple[str, str], bytes] = {
    # sound, though rare
    ("uv", "comment"): evil_wheel(comment=b"a comment"),
    ("uv", "data_descriptor"): _member(flags=UTF8 | DESCRIPTOR),
    ("uv", "store"): _member(method=STORED),
    ("uv", "subdir"): evil_wheel(RawMember("evil/", b"", 0o40755)),
    ("uv", "zip64_eocd"): evil_wheel(zip64=(-1, 0)),
    # doubtful
    ("uv", "extra3byte"): _member(extra=b"\0\0\0", local_extra=b"\0\0\0"),
    ("uv", "non_ascii_original_name"): evil_wheel(RawMember(b"evil/\xe9.py", BODY, flags=0)),
    ("uv", "prefix"): evil_wheel(prefix=b"X" * 20),
    ("uv", "suffix_not_comment"): evil_wheel(suffix=b"X" * 20),
    ("uv", "zip64_eocd_extensible_data"): evil_wheel(zip64=(-1, 12)),
    ("uv", "zip64_extra_too_short"): _member(
        stated_size=0xFFFFFFFF, stated_compressed=0xFFFFFFFF,
        extra=struct.pack("<2HQ", 1, 8, len(BODY)), local_extra=struct.pack("<2HQ", 1, 8, 23),
    ),
    # wrong
    ("uv", "cd_extra_entry"): evil_wheel(RawMember(_X, BODY, local=False, offset=0)),
    ("uv", "cd_missing_entry"): evil_wheel(RawMember(_X, BODY, central=False)),
    ("uv", "data_descriptor_bad_crc"): _member(
        flags=UTF8 | DESCRIPTOR, descriptor=(1, _LENGTH, len(BODY))
    ),
    ("uv", "data_descriptor_bad_crc_0"): _member(flags=UTF8 | DESCRIPTOR, crc=0),
    ("uv", "data_descriptor_bad_csize"): _member(
        flags=UTF8 | DESCRIPTOR, descriptor=(_CRC, _LENGTH + 1, len(BODY))
    ),
    ("uv", "data_descriptor_bad_usize"): _member(
        flags=UTF8 | DESCRIPTOR, descriptor=(_CRC, _LENGTH, len(BODY) + 1)
    ),
    ("uv", "dupe_eocd"): evil_wheel(suffix=_EMPTY_END),
    ("uv", "shortextra"): _member(extra=b"\1\0\x09\0\0", local_extra=b"\1\0\x09\0\0"),
    ("uv", "zip64_extra_csize"): _member(
        stated_size=0xFFFFFFFF, stated_compressed=0xFFFFFFFF,
        extra=_zip64(len(BODY), _LENGTH + 1), local_extra=_zip64(len(BODY), _LENGTH + 1),
    ),
    ("uv", "zip64_extra_usize"): _member(
        stated_size=0xFFFFFFFF, stated_compressed=0xFFFFFFFF,
        extra=_zip64(len(BODY) + 1, _LENGTH), local_extra=_zip64(len(BODY) + 1, _LENGTH),
    ),
    ("uv", "two_local_entries"): evil_wheel(
        RawMember(_X, b"x = 3\n", central=False), RawMember(_X, BODY)
    ),
    # made to be read in two ways
    ("uv", "second_unicode_extra"): _member(
        extra=_unicode(b"evil/y.py", _X.encode()) + _unicode(b"evil/z.py", _X.encode()),
        local_extra=_unicode(b"evil/y.py", _X.encode()) + _unicode(b"evil/z.py", _X.encode()),
    ),
    ("uv", "unicode_extra"): _member(
        extra=_unicode(b"evil/y.py", _X.encode()), local_extra=_unicode(b"evil/y.py", _X.encode())
    ),
    ("uv", "short_usize"): _member(stated_size=9),
    ("uv", "zip64_eocd_confusion"): evil_wheel(zip64=(0, 0)),
    ("uv", "zipinzip"): evil_wheel(comment=_INNER),
    ("uv", "local_name_differs"): _member(local_name="evil/y.py"),
    # wheels
    ("pip", "parent_path"): evil_wheel(RawMember("../outside_file.txt", b"x")),
    ("pip", "parent_path_inside"): evil_wheel(RawMember("evil/../dir_file2.txt", b"x")),
    ("pip", "symlink_out"): evil_wheel(link("evil/bad-link", "../../../../pwn")),
    ("pip", "dist_info_multiple"): evil_wheel(RawMember("other-0.1.dist-info/WHEEL", WHEEL)),
    ("pip", "dist_info_none"): raw_zip([RawMember("evil/__init__.py", BODY)]),
    ("pip", "dist_info_wrong_name"): evil_wheel(info="other-1.0.dist-info"),
    ("pip", "wheel_missing"): _files("WHEEL", None),
    ("pip", "wheel_bad_encoding"): _files("WHEEL", b"\xff"),
    ("pip", "wheel_version_missing"): _files("WHEEL", b""),
    ("pip", "wheel_version_bad"): _files("WHEEL", b"Wheel-Version: 1.b\n"),
    ("pip", "wheel_version_3"): _files("WHEEL", WHEEL.replace(b": 1.0", b": 3.0")),
    ("pip", "wheel_version_1.9"): _files("WHEEL", WHEEL.replace(b": 1.0", b": 1.9")),
    ("pip", "metadata_other_name"): _files("METADATA", METADATA.replace(b"evil", b"good")),
    ("pip", "metadata_other_version"): _files("METADATA", METADATA.replace(b"1.0\n", b"2.0\n")),
    ("pip", "script_without_function"): _files(_POINTS, b"[console_scripts]\nx = evil\n"),
    ("pip", "script_out"): _files(_POINTS, b"[console_scripts]\n../../x = evil:main\n"),
    ("pip", "script_absolute"): _files(_POINTS, b"[console_scripts]\n/tmp/x9 = evil:main\n"),
    ("pip", "script_of_the_interpreter"): _files(
        _POINTS, b"[console_scripts]\npython = evil:main\n"
    ),
    ("pip", "data_unknown_scheme"): evil_wheel(RawMember("evil-1.0.data/unknown/x", b"x")),
    ("pip", "data_without_scheme"): evil_wheel(RawMember("evil-1.0.data/x", b"x")),
    ("pip", "not_a_zip"): b"this is not a wheel",
    ("installer", "record_missing"): raw_zip(
        [
            RawMember("evil.py"),
            RawMember(f"{INFO}/METADATA", METADATA),
            RawMember(f"{INFO}/WHEEL", WHEEL),
        ]
    ),
    ("installer", "record_lacks_a_file"): evil_wheel(
        record=f"{INFO}/METADATA,{hash_of(METADATA)},{len(METADATA)}\n{INFO}/RECORD,,\n".encode()
    ),
    ("installer", "record_without_hash"): evil_wheel(
        record=f"evil/__init__.py,,\n{INFO}/METADATA,,\n{INFO}/WHEEL,,\n{INFO}/RECORD,,\n".encode()
    ),
    ("installer", "record_other_hash"): evil_wheel(
        record=f"evil/__init__.py,{hash_of(b'y')},{len(BODY)}\n{INFO}/RECORD,,\n".encode()
    ),
    ("installer", "record_other_size"): evil_wheel(
        record=f"evil/__init__.py,{hash_of(BODY)},{len(BODY) + 1}\n{INFO}/RECORD,,\n".encode()
    ),
}  # fmt: skip

# What pip 26.3 and uv 0.13.9 do with each, offered by an index: r refuses, i installs.
_VERDICTS: dict[tuple[str, str], str] = {
    ("uv", "comment"): "ii",
    ("uv", "data_descriptor"): "ii",
    ("uv", "store"): "ii",
    ("uv", "subdir"): "ii",
    ("uv", "zip64_eocd"): "ii",
    ("uv", "extra3byte"): "ii",
    ("uv", "non_ascii_original_name"): "ir",
    ("uv", "prefix"): "ir",
    ("uv", "suffix_not_comment"): "ir",
    ("uv", "zip64_eocd_extensible_data"): "rr",
    ("uv", "zip64_extra_too_short"): "rr",
    ("uv", "cd_extra_entry"): "rr",
    ("uv", "cd_missing_entry"): "ir",
    ("uv", "data_descriptor_bad_crc"): "ir",
    ("uv", "data_descriptor_bad_crc_0"): "rr",
    ("uv", "data_descriptor_bad_csize"): "ir",
    ("uv", "data_descriptor_bad_usize"): "ir",
    ("uv", "dupe_eocd"): "rr",
    ("uv", "shortextra"): "rr",
    ("uv", "zip64_extra_csize"): "ir",
    ("uv", "zip64_extra_usize"): "ir",
    ("uv", "two_local_entries"): "ir",
    ("uv", "second_unicode_extra"): "ir",
    ("uv", "unicode_extra"): "ii",
    ("uv", "short_usize"): "rr",
    ("uv", "zip64_eocd_confusion"): "ir",
    ("uv", "zipinzip"): "rr",
    ("uv", "local_name_differs"): "rr",
    ("pip", "parent_path"): "ri",
    ("pip", "parent_path_inside"): "ii",
    ("pip", "symlink_out"): "ii",
    ("pip", "dist_info_multiple"): "rr",
    ("pip", "dist_info_none"): "rr",
    ("pip", "dist_info_wrong_name"): "ri",
    ("pip", "wheel_missing"): "rr",
    ("pip", "wheel_bad_encoding"): "rr",
    ("pip", "wheel_version_missing"): "rr",
    ("pip", "wheel_version_bad"): "ri",
    ("pip", "wheel_version_3"): "rr",
    ("pip", "wheel_version_1.9"): "ii",
    ("pip", "metadata_other_name"): "rr",
    ("pip", "metadata_other_version"): "ir",
    ("pip", "script_without_function"): "rr",
    ("pip", "script_out"): "rr",
    ("pip", "script_absolute"): "rr",
    ("pip", "script_of_the_interpreter"): "ir",
    ("pip", "data_unknown_scheme"): "rr",
    ("pip", "data_without_scheme"): "rr",
    ("pip", "not_a_zip"): "rr",
    ("installer", "record_missing"): "rr",
    ("installer", "record_lacks_a_file"): "ii",
    ("installer", "record_without_hash"): "ii",
    ("installer", "record_other_hash"): "ii",
    ("installer", "record_other_size"): "ii",
}


def published() -> list[Published]:
    """All cases, with the verdicts of pip and uv."""
    words = {"r": "refuses", "i": "installs", "?": "?"}
    return [
        Published(
            source, name, wheel, *(words[each] for each in _VERDICTS.get((source, name), "??"))
        )
        for (source, name), wheel in _CASES.items()
    ]


def installed_by(command: list[str], wheel: bytes) -> str:
    """Whether ``command`` installs the wheel, which an index on loopback has, into a folder."""
    with (
        tempfile.TemporaryDirectory(prefix="verdict-") as folder,
        serve(Path(folder, "i")) as index,
    ):
        (index.folder / WHEEL_NAME).write_bytes(wheel)
        place = ["--index-url", f"{index.url}/simple", "--target", f"{folder}/site"]
        finished = subprocess.run(
            [*command, *place, "--no-deps", "evil==1.0"],
            capture_output=True,
            env={**os.environ, "PIP_CONFIG_FILE": os.devnull, "UV_CACHE_DIR": f"{folder}/cache"},
            timeout=300,
        )
        return "refuses" if finished.returncode else "installs"


def main() -> None:
    """Print what pip and uv do with each case, as it is kept above."""
    pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "-q"]
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--python", sys.executable]
    for case in published():
        verdicts = installed_by(pip, case.wheel), installed_by(uv, case.wheel)
        print(f'    ("{case.source}", "{case.name}"): "{"".join(v[0] for v in verdicts)}",')


if __name__ == "__main__":
    main()
