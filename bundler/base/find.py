"""Which Python goes into venv.zip, and why."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bundler.base.host import make_host_base, no_host
from bundler.base.model import Base, BaseOptions
from bundler.base.standalone import cached_standalone, obtain_standalone_base, recent_failure
from bundler.errors import BuildError, VerificationError, missing_extra, option, unknown
from bundler.session import Session
from bundler.support.interpreters import find_host

if TYPE_CHECKING:
    from bundler.target import Target

KINDS = ("auto", "standalone", "host", "manylinux", "conda")


def find_base(
    kind: str,
    target: Target,
    session: Session,
    *,
    strict: bool = False,
    options: BaseOptions | None = None,
) -> Base:
    """The relocatable Python for ``target`` of the given kind (`KINDS`), made if need be.

    ``auto`` takes a standalone Python that is already in the cache, else one of this machine
    whose glibc fits the platform tag, else downloads a standalone one, else takes one of this
    machine with a warning. What was taken and why is noted on ``progress`` and in the result.

    Raises UsageError for an unknown kind, BuildError when there is no such Python, and with
    ``strict`` VerificationError when it needs a newer glibc than the platform tag promises;
    without, that is a warning.
    """
    options = options or BaseOptions()
    if kind == "auto" and (options.from_prefix or options.environment):
        kind = "conda"
    base = _found(kind, target, session, options)
    session.progress.note(f"Base: {base.reason}")
    if not base.fits(target):
        error = too_new(base, target)
        if strict:
            raise error
        session.progress.warn(str(error))
    return base


def too_new(base: Base, target: Target) -> VerificationError:
    """The error for a base that needs a newer glibc than ``target`` promises."""
    major, minor = base.glibc
    return VerificationError(
        f"Python {base.python_version} ({base.kind}) needs {base.glibc_need}.",
        f"{target.platform} promises {'.'.join(map(str, target.glibc))}: an older machine refuses "
        "to load that file.",
        f"Use --base standalone, or --platform manylinux_{major}_{minor}_{target.architecture} "
        "if the service's machines have that.",
    )


def _found(kind: str, target: Target, session: Session, options: BaseOptions) -> Base:
    if kind == "auto":
        return _automatic(target, session, options)
    if kind == "standalone":
        return obtain_standalone_base(target, session)
    if kind == "host":
        found = find_host(target)
        if found is None:
            raise no_host(target)
        return make_host_base(found, target, session)
    if kind == "manylinux":
        from bundler.base.manylinux import make_manylinux_base

        return make_manylinux_base(target, session, options.image)
    if kind == "conda":
        try:
            # It is imported in another process.
            if find_spec("rattler") is None:
                raise ModuleNotFoundError(name="rattler")
            from bundler.base.conda import make_conda_base, pack_conda_prefix
        except ImportError as error:
            raise missing_extra("conda", "A conda base", error) from error
        if options.from_prefix is not None:
            return pack_conda_prefix(options.from_prefix, target, session)
        return make_conda_base(
            target,
            session,
            environment=options.environment,
            channels=options.channels,
            lock=options.lock,
            policy=options.lock_policy,
        )
    raise unknown("base", kind, KINDS, f"Change {option('base')}.")


def _automatic(target: Target, session: Session, options: BaseOptions) -> Base:
    if (cached := cached_standalone(target, session.cache)) is not None:
        return cached
    found = find_host(target)
    host = make_host_base(found, target, session) if found else None
    if host is not None and host.fits(target):
        return _because(host, f"its glibc fits {target.platform}")
    cause = (
        "nothing may be downloaded" if session.offline else recent_failure(target, session.cache)
    )
    if cause is None:
        try:
            return obtain_standalone_base(target, session)
        except BuildError as error:
            cause = error.expected
    if host is None:
        raise BuildError(
            f"No Python {target.python} for {target.architecture} is on this machine, and the "
            "standalone one could not be installed.",
            cause,
            "Set UV_PYTHON_INSTALL_MIRROR to a mirror you can reach, install that Python, or use "
            "--base conda.",
        )
    return _because(host, f"no standalone Python: {cause}")


def _because(base: Base, why: str) -> Base:
    return replace(base, reason=f"{base.reason}; {why}")
