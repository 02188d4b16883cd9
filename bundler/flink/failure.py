"""What a failed job says, with the Python part first, and never more than a person reads."""

from __future__ import annotations

import re

from bundler.errors import JobError

# What a server sends may be of any length; a person reads the beginning and the end.
_LONGEST = 1 << 16
_LONGEST_LINE = 1 << 12
_TRACEBACK = "Traceback (most recent call last):"
_JAVA_LINE = re.compile(r"^\s*(at [\w.$/<>@]+\(|\.\.\. \d+ (more|common frames))|^Caused by: ")
_DRIVER_LINE = re.compile(r"^.*org\.apache\.flink\.client\.python\.PythonDriver\b.*? - (.*)$")


# What `python -m flink_plugins` says of a pipeline that is wrong, in one line.
_PIPELINE_ERROR = re.compile(r"^flink_plugins: error: (.*)$", re.MULTILINE)


def python_traceback(text: str) -> str:
    """The first Python traceback within ``text``, chained ones included; "" if there is none."""
    _, found, rest = text.partition(_TRACEBACK)
    if not found:
        return ""
    lines = [_TRACEBACK]
    for line in rest.splitlines()[1:]:
        if _JAVA_LINE.match(line):
            break
        lines.append(line.rstrip())
    return _shortened("\n".join(lines).strip())


def _shortened(text: str) -> str:
    left_out = len(text) - _LONGEST
    if left_out <= 0:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n[{left_out:,} characters left out]\n{text[-half:]}"


def java_cause(text: str) -> str:
    """The innermost Java exception of a stack trace, in one line."""
    causes = [line for line in text.splitlines() if line.startswith("Caused by: ")]
    told = (line for line in text.splitlines() if line.strip())
    line = causes[-1].removeprefix("Caused by: ") if causes else next(told, "")
    return line.partition(_TRACEBACK)[0].strip()[:500]


def driver_output(log: str) -> str:
    """What the last main() printed, out of the JobManager's log (PythonDriver logs each line)."""
    lines = [
        match[1] for line in log.splitlines() if (match := _DRIVER_LINE.match(line[:_LONGEST_LINE]))
    ]
    starts = [index for index, line in enumerate(lines) if "Python Process Started" in line]
    said = lines[starts[-1] + 1 :] if starts else lines
    ends = [index for index, line in enumerate(said) if "Python Process Exited" in line]
    return "\n".join(said[: ends[0]] if ends else said)


def job_error(what: str, text: str, remedy: str = "") -> JobError:
    """The error for a job that failed with ``text``, a Java stack trace, maybe with Python's."""
    if said := _PIPELINE_ERROR.search(text):
        return JobError(_shortened(said[1]), f"{what}.", remedy)
    traceback = python_traceback(text)
    cause = java_cause(text)
    if traceback:
        return JobError(traceback, f"{what}. In Java: {cause}" if cause else f"{what}.", remedy)
    return JobError(f"{what}.", cause or "Flink gave no reason.", remedy)
