"""The rule for pyarrow's services, whose libraries stay where others are linked with them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from bundler.archive.entry import Entry
from bundler.slim.rule import Rule, Slimming
from bundler.slim.scan import scanned, windows

_SERVICES = re.compile(
    r"^pyarrow/(?:lib)?_?(?:arrow_(?:python_)?)?(?:flight|substrait|plasma)[^/]*$"
    r"|^pyarrow/plasma-store-server$"
)
_LIBRARY = re.compile(rb"lib(?:arrow_\w+|plasma)\.so[.\d]*")
# Longer than the name of any of these libraries.
_OVERLAP = 100


def _without_services(entries: Sequence[Entry], slimming: Slimming) -> list[Entry]:
    """Drop Flight, Substrait and Plasma, but not a library that one which stays is linked with.

    In pyarrow 20, libarrow_python needs libarrow_substrait.
    """
    arrow = [entry for entry in entries if slimming.inside(entry).startswith("pyarrow/")]
    dropped = {entry.name for entry in arrow if _SERVICES.match(slimming.inside(entry))}
    looked_at: set[str] = set()
    while True:
        staying = [
            entry
            for entry in arrow
            if ".so" in entry.name and entry.name not in dropped | looked_at
        ]
        if not staying:
            return [entry for entry in entries if entry.name not in dropped]
        looked_at |= {entry.name for entry in staying}
        needed = scanned(staying, _linked, slimming)
        dropped = {name for name in dropped if posixpath.basename(name) not in needed}


ARROW_SERVICES = Rule(
    "arrow-services",
    "pyarrow's Flight, Substrait and Plasma, which PyFlink does not use",
    False,
    _without_services,
)


def _linked(entry: Entry, name: str) -> set[str]:
    """The Arrow libraries that a binary names, wherever in it: its DT_NEEDED are among them."""
    found: set[str] = set()
    for data in windows(entry, _OVERLAP):
        found |= {match.decode() for match in _LIBRARY.findall(data)}
    return found - {posixpath.basename(name)}
