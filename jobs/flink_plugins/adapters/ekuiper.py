"""eKuiper portable plugins, with their script as it is.

Behaviour of the SDK: the package ``ekuiper`` 2.4, which must be installed beside the plugin; its
``plugin.start`` is replaced while the script runs, so that the configuration is handed over instead
of sockets being opened.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import types
from typing import Any, Dict

from flink_plugins.adapters.archives import unpack
from flink_plugins.adapters.descriptor import read_descriptor
from flink_plugins.api import Sink
from flink_plugins.columns.convert import to_json
from flink_plugins.errors import PluginError, PluginNotFoundError
from flink_plugins.files import read_bounded
from flink_plugins.refs import FUNCTION, SINK, SOURCE

LONGEST_SCRIPT = 16 << 20

_lock = threading.RLock()
_configs: Dict[str, Any] = {}


class _Started(BaseException):  # ends the script where eKuiper would take over
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config


def _run_script(folder: str, executable: str) -> Any:
    """Run the plugin's script up to its ``plugin.start``; return the PluginConfig given to it."""
    try:
        from ekuiper.runtime import plugin as sdk
    except ImportError as error:
        raise PluginNotFoundError(
            f"Could not import the package 'ekuiper', which eKuiper's plugins need: {error}. Add "
            "'ekuiper' to the requirements of deps.zip."
        ) from error

    def hand_over(config: Any) -> None:
        raise _Started(config)

    script = os.path.join(folder, executable)
    beside = os.path.dirname(script)
    module = types.ModuleType("__main__")
    module.__file__ = script
    own_main, own_start, own_argv = sys.modules.get("__main__"), sdk.start, sys.argv
    _set_aside_modules(folder, beside)
    sys.path.insert(0, beside)
    sys.modules["__main__"] = module
    sdk.start = hand_over
    sys.argv = [script]
    try:
        exec(_compiled(script), module.__dict__)
    except _Started as started:
        return started.config
    finally:
        sdk.start = own_start
        sys.argv = own_argv
        if own_main is not None:
            sys.modules["__main__"] = own_main
        sys.path.remove(beside)
        sys.path.append(beside)
    raise PluginError(
        f"{script}: the script ended without plugin.start(config). Is it under another condition "
        "than __name__ == '__main__'?"
    )


def _compiled(script: str) -> types.CodeType:
    try:
        return compile(read_bounded(script, LONGEST_SCRIPT), script, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise PluginError(f"{script}: the script is not Python: {error}") from error


def _set_aside_modules(folder: str, beside: str) -> None:
    """Forget modules of other plugins that hide this one's: each has its own process in eKuiper.

    ``folder`` is the plugin's, and ``beside`` that of its script.
    """
    own = {name[:-3] if name.endswith(".py") else name for name in os.listdir(beside)}
    others = [other for other in _configs if other != folder]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if name.split(".")[0] in own and any(file.startswith(o + os.sep) for o in others):
            del sys.modules[name]


def config_of(path: str) -> Any:
    """The PluginConfig that the script at ``path`` starts with; the script runs once a process."""
    with _lock:
        folder = path if os.path.isdir(path) else unpack(path)
        if folder not in _configs:
            _configs[folder] = _run_script(folder, read_descriptor(folder).executable)
        return _configs[folder]


def load(kind: str, name: str, path: str) -> Any:
    """A new source, sink or function of the portable plugin at ``path``.

    Raises PluginError when the script does not define what the descriptor lists.
    """
    config = config_of(path)
    makers = {SOURCE: config.sources, SINK: config.sinks, FUNCTION: config.functions}[kind]
    if name not in makers:
        defined = ", ".join(sorted(makers)) or "none"
        raise PluginError(
            f"{path}: the descriptor lists the {kind} '{name}', but the script defines only "
            f"{defined}."
        )
    plugin = makers[name]()
    return _EkuiperSink(plugin) if kind == SINK else plugin


class _EkuiperSink(Sink):
    """Gives a sink what eKuiper 2 gives it: JSON as bytes, an array unless ``sendSingle``."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self._single = False
        self.acknowledges = False

    def configure(self, conf: Dict[str, Any]) -> None:
        conf = dict(conf)
        self._single = bool(conf.get("sendSingle", False))
        self.acknowledges = bool(conf.pop("requireAck", False))
        self._sink.configure(conf)

    def open(self, ctx: Any) -> None:
        self._sink.open(ctx)

    def collect(self, ctx: Any, data: Any) -> None:
        record = to_json(data)
        batch = record if self._single else [record]
        self._sink.collect(ctx, json.dumps(batch, ensure_ascii=False).encode("utf-8"))

    def close(self, ctx: Any) -> None:
        self._sink.close(ctx)
