"""The text of a pipeline file, YAML or JSON, as plain values."""

from __future__ import annotations

import json
from typing import Any, Callable, Tuple

from flink_plugins.errors import PipelineError
from flink_plugins.files import read_bounded

LONGEST_FILE = 1 << 18  # PyFlink's YAML parser reads some 20 KB a second
DEEPEST = 50
MOST_VALUES = 100000


def read_file(path: str) -> Any:
    """The content of the pipeline file ``path``, of at most 256 KiB.

    Raises PluginError for a file that cannot be read, PipelineError for what is not YAML or JSON.
    """
    try:
        text = read_bounded(path, LONGEST_FILE).decode("utf-8")
    except UnicodeDecodeError as error:
        raise PipelineError(f"The pipeline is not UTF-8: {error}") from error
    return read_text(text)


def read_text(text: str) -> Any:
    """Parse YAML or JSON with what is installed. Raises PipelineError."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        content = _read_yaml(text)
    _check_extent(content)
    return content


def _too_deep() -> PipelineError:
    return PipelineError(f"The pipeline is nested more than {DEEPEST} levels deep.")


def _read_yaml(text: str) -> Any:
    load, errors = _yaml()
    try:
        return load(text)
    except RecursionError:
        raise _too_deep() from None
    # The parsers let errors of numbers and dates through as ValueError and others.
    except (*errors, ValueError, TypeError, LookupError, AttributeError) as error:
        said = " ".join(str(error).split())
        raise PipelineError(f"The pipeline is neither YAML nor JSON: {said}") from error


def _yaml() -> Tuple[Callable[[str], Any], Tuple[Any, ...]]:
    """A YAML parser and the errors that it raises: that of PyFlink, or PyYAML."""
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        return YAML(typ="safe", pure=True).load, (YAMLError,)
    except ImportError:
        pass
    try:
        import yaml
    except ImportError as error:
        raise PipelineError(
            "The pipeline is not JSON, and no YAML parser is installed (PyFlink before 1.19 brings "
            "none). Write it as JSON, or add PyYAML to deps.zip."
        ) from error
    return yaml.safe_load, (yaml.YAMLError,)


def _check_extent(content: Any) -> None:
    """Refuse what is nested too deep, or that YAML's anchors make huge or endless."""
    left = MOST_VALUES
    waiting = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise _too_deep()
        if isinstance(value, dict):
            inner = [*value, *value.values()]
        elif isinstance(value, (list, tuple, set)):
            inner = list(value)
        else:
            continue
        left -= len(inner)
        if left < 0:
            raise PipelineError(f"The pipeline has more than {MOST_VALUES} values.")
        waiting.extend((each, depth + 1) for each in inner)
