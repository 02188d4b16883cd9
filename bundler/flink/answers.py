"""What Flink's REST API answers, as far as it is used: typed, so that nothing else gets in.

Keys that are not listed are ignored, as each release adds some.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bundler.errors import UsageError

_Word = Annotated[str, StringConstraints(pattern=r"^[A-Z_]{1,40}$")]
_JobId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class Features(_Answer):
    """``features`` of `Dashboard`: whether JARs may be uploaded."""

    web_submit: bool = Field(default=True, alias="web-submit")


class Dashboard(_Answer):
    """``/config``: the release of Flink, and what its dashboard may do."""

    version: Annotated[
        str,
        Field(alias="flink-version"),
        StringConstraints(pattern=r"^\d{1,4}\.\d{1,4}[!-~]{0,60}$"),
    ]
    features: Features = Features()


class Overview(_Answer):
    """``/overview``: how many task slots there are."""

    slots: int = Field(alias="slots-total")


class Uploaded(_Answer):
    """``/jars/upload``: the path of the JAR over there, whose name is its id.

    What Flink splits lists of archives at cannot be in it.
    """

    filename: Annotated[
        str,
        StringConstraints(
            pattern=r"^[^,#;\x00-\x1f\x7f-\x9f\\]{0,3000}/"
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_[^,#;/\\\x00-\x1f\x7f-\x9f]{1,255}\.jar$"
        ),
    ]

    @property
    def path(self) -> str:
        """The path of the REST API that stands for this JAR."""
        return f"/jars/{quote(self.filename.rpartition('/')[2], safe='')}"


class Started(_Answer):
    """``/jars/:id/run``: the job that runs now."""

    job_id: _JobId = Field(alias="jobid")


class Vertex(_Answer):
    """One of a job's tasks."""

    status: _Word


class Job(_Answer):
    """``/jobs/:id``: its state ("RUNNING") and that of its tasks."""

    state: _Word
    vertices: tuple[Vertex, ...] = Field(default=(), strict=False)


class Failure(_Answer):
    """One failure of a job, as Java's stack trace."""

    stacktrace: str = ""


class Failures(_Answer):
    """The failures of a job, the newest first."""

    entries: tuple[Failure, ...] = Field(default=(), strict=False)


class Exceptions(_Answer):
    """``/jobs/:id/exceptions``."""

    history: Failures = Field(default=Failures(), alias="exceptionHistory")


class Errors(_Answer):
    """The body of an answer whose status is an error."""

    errors: tuple[str, ...] = Field(strict=False)


def job_path(job_id: str) -> str:
    """The path of the REST API that stands for a job. Raises UsageError for another kind of id."""
    if not re.fullmatch(r"[0-9a-f]{32}", job_id):
        raise UsageError(
            f"'{job_id[:80]}' is not the id of a Flink job.",
            "Expected 32 hexadecimal digits.",
            "Copy the id from the dashboard, or from what `bundle submit` printed.",
        )
    return f"/jobs/{job_id}"
