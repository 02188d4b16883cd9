"""Feeding a target: what each input did, and what was found."""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from types import FrameType

from bundler.errors import BundlerError
from tests.fuzz.targets import FuzzTarget

SECONDS_PER_INPUT = 30
"""Far above what any input may take; only keeps a run from hanging."""

LARGEST = 1 << 16
_MEMORY = 2 << 30


class TooLong(BaseException):
    """An input that was still being read after `SECONDS_PER_INPUT`."""


@dataclass
class Findings:
    """What became of the inputs so far; ``kinds`` counts the errors by class and first words."""

    inputs: int = 0
    values: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)
    longest: float = 0.0
    peak: float = 0.0
    seconds: float = 0.0


class Feeder:
    """Gives inputs to ``target``, each time in the same ``folder``, and keeps book.

    An input that raises anything but a BundlerError is a finding. Findings of one place are kept
    once, with the input that led there in ``keep``.
    """

    def __init__(self, target: FuzzTarget, folder: Path, keep: Path | None = None) -> None:
        self.target = target
        self.folder = folder
        self.keep = keep
        self.findings = Findings()
        self._began = self._reported = time.monotonic()

    def feed(self, data: bytes) -> None:
        """Read ``data``; what goes wrong is in ``findings``."""
        before = time.perf_counter()
        signal.alarm(SECONDS_PER_INPUT)
        try:
            self.target.read(data, self.folder)
            self.findings.values += 1
        except BundlerError as error:
            self._count(error)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._found(error, data)
        finally:
            signal.alarm(0)
        self.findings.inputs += 1
        took = time.perf_counter() - before
        if took > self.findings.longest:
            self.findings.longest = round(took, 3)
            self._kept("longest", data)
        if time.monotonic() - self._reported > 2:
            self.report()

    def report(self) -> None:
        """Write what is known so far to ``keep``."""
        self._reported = time.monotonic()
        self.findings.seconds = round(self._reported - self._began, 1)
        self.findings.peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
        if self.keep is not None:
            text = json.dumps(asdict(self.findings), indent=2)
            (self.keep / "report.json").write_text(text, encoding="utf-8", errors="replace")

    def _count(self, error: BundlerError) -> None:
        cause = error.__cause__
        frames = traceback.extract_tb(error.__traceback__)
        kind = f"{type(error).__name__} {frames[-1].name} {type(cause).__name__ if cause else ''}"
        kinds = self.findings.kinds
        kinds[kind.strip()] = kinds.get(kind.strip(), 0) + 1

    def _found(self, error: BaseException, data: bytes) -> None:
        ours = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if "/bundler/" in frame.filename or "/fuzz/" in frame.filename
        ]
        last = ours[-1] if ours else None
        place = f"{Path(last.filename).name}:{last.lineno} {last.name}" if last else "?"
        kind = f"{type(error).__name__} in {place}"
        if kind not in self.findings.found:
            shown = traceback.format_exception(error, limit=-6, chain=False)
            self.findings.found[kind] = "".join(shown)[-2000:]
            self._kept(sha256(kind.encode()).hexdigest()[:12], data)
            self.report()

    def _kept(self, name: str, data: bytes) -> None:
        if self.keep is not None:
            (self.keep / name).write_bytes(data)


def limit() -> None:
    """Bound this process's memory, and the time of each input."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    signal.signal(signal.SIGALRM, _too_long)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooLong


def run_atheris(feeder: Feeder, corpus: Path, seconds: int) -> None:
    """Feed ``feeder`` from atheris, which is guided by coverage, for ``seconds``; never returns."""
    import random

    import atheris

    def mutated(data: bytes, largest: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed = (
            feeder.target.mutate(data, rng)
            if rng.random() < 0.9
            else atheris.Mutate(data, min(len(data) + 64, largest))
        )
        return bytes(changed[:largest])

    flags = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", "-rss_limit_mb=0"]
    flags += ["-print_final_stats=1", "-timeout=300", "-mutate_depth=2"]
    flags += [f"-artifact_prefix={corpus.parent}/"]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], feeder.feed, custom_mutator=mutated)
    atheris.Fuzz()
