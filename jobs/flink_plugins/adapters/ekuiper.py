"""eKuiper portable plugins, with their script as it is.

Format of the descriptor: eKuiper's documentation of portable plugins. Behaviour of the SDK: the
package ``ekuiper`` 2.4, which must be installed beside the plugin; its ``plugin.start`` is replaced
while the script runs, so that the configuration is handed over instead of sockets being opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import types
import zipfile
from typing import Any, Dict, NamedTuple, Tuple

from flink_plugins.api import Sink
from flink_plugins.discovery import FUNCTION, SINK, SOURCE
from flink_plugins.errors import PluginError, PluginNotFoundError
from flink_plugins.schema import to_json


class Descriptor(NamedTuple):
    """What the JSON file of a portable plugin says; ``conda_env`` is "" without a conda one."""

    name: str
    version: str
    executable: str
    conda_env: str
    sources: Tuple[str, ...]
    sinks: Tuple[str, ...]
    functions: Tuple[str, ...]


def _descriptor(name: str, text: str, where: str) -> Descriptor:
    try:
        content = json.loads(text)
        executable = content["executable"]
    except (ValueError, KeyError, TypeError) as error:
        raise PluginError(
            "{}: {}.json is not the descriptor of a portable plugin ({!r}). Expected an object "
            "with version, language, executable, sources, sinks and functions.".format(
                where, name, error
            )
        ) from error
    if content.get("language") != "python":
        raise PluginError(
            "{}: the plugin is written in {!r}. Only Python plugins run in a PyFlink job.".format(
                where, content.get("language")
            )
        )
    conda = content.get("env", "") if content.get("virtualEnvType") == "conda" else ""
    symbols = [tuple(content.get(key) or ()) for key in ("sources", "sinks", "functions")]
    return Descriptor(name, str(content.get("version", "")), executable, conda, *symbols)


def read_descriptor(path: str) -> Descriptor:
    """The descriptor of the plugin at ``path``, a zip or a folder.

    It is the JSON file at the top that lies beside the executable it names. Raises PluginError when
    there is none.
    """
    if os.path.isdir(path):
        texts = {}
        for name in sorted(os.listdir(path)):
            if name.endswith(".json"):
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    texts[name] = file.read()
        names = set(os.listdir(path))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            texts = {
                name: archive.read(name).decode("utf-8")
                for name in sorted(names)
                if name.endswith(".json") and "/" not in name
            }
    else:
        raise PluginNotFoundError("'{}' is neither a folder nor a zip.".format(path))
    first = None  # type: Optional[PluginError]
    for name, text in texts.items():
        try:
            descriptor = _descriptor(name[: -len(".json")], text, path)
        except PluginError as error:
            first = first or error
            continue
        if descriptor.executable in names:
            return descriptor
        first = first or PluginError(
            "{}: {} names the executable '{}', which is not beside it.".format(
                path, name, descriptor.executable
            )
        )
    raise first or PluginError(
        "{}: no JSON descriptor at the top. Expected <plugin name>.json beside the script.".format(
            path
        )
    )


_lock = threading.RLock()
_configs = {}  # type: Dict[str, Any]


def _unpacked(path: str) -> str:
    if os.path.isdir(path):
        return path
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    folder = os.path.join(
        tempfile.gettempdir(), "flink-plugins-{}-{}".format(os.getuid(), digest.hexdigest()[:16])
    )
    if _is_ours(folder):
        return folder
    partial = tempfile.mkdtemp(prefix="flink-plugins-")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(partial)
    try:
        os.rename(partial, folder)
    except OSError:
        if not _is_ours(folder):
            return partial
        shutil.rmtree(partial)
    return folder


def _is_ours(folder: str) -> bool:
    """Whether nobody else can have put something there: the temporary folder is everybody's."""
    try:
        status = os.lstat(folder)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


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
            "The package 'ekuiper' cannot be imported ({}). eKuiper plugins need it beside them: "
            "add 'ekuiper' to the requirements of deps.zip.".format(error)
        ) from error

    def hand_over(config: Any) -> None:
        raise _Started(config)

    script = os.path.join(folder, executable)
    module = types.ModuleType("__main__")
    module.__file__ = script
    own_main, own_start, own_argv = sys.modules.get("__main__"), sdk.start, sys.argv
    _set_aside_modules(folder)
    sys.path.insert(0, folder)
    sys.modules["__main__"] = module
    sdk.start = hand_over
    sys.argv = [script]
    try:
        with open(script, "rb") as file:
            code = compile(file.read(), script, "exec")
        exec(code, module.__dict__)
    except _Started as started:
        return started.config
    finally:
        sdk.start = own_start
        sys.argv = own_argv
        if own_main is not None:
            sys.modules["__main__"] = own_main
        sys.path.remove(folder)
        sys.path.append(folder)
    raise PluginError(
        "{}: the script ended without plugin.start(config); is it under another condition than "
        "__name__ == '__main__'?".format(script)
    )


def _set_aside_modules(folder: str) -> None:
    """Forget modules of other plugins that hide this one's: each has its own process in eKuiper."""
    own = {name[:-3] if name.endswith(".py") else name for name in os.listdir(folder)}
    others = [other for other in _configs if other != folder]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if name.split(".")[0] in own and any(file.startswith(o + os.sep) for o in others):
            del sys.modules[name]


def config_of(path: str) -> Any:
    """The PluginConfig that the script at ``path`` starts with; the script runs once a process."""
    with _lock:
        folder = _unpacked(path)
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
        raise PluginError(
            "{}: the descriptor lists the {} '{}', but the script defines only {}.".format(
                path, kind, name, ", ".join(sorted(makers)) or "none"
            )
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
        record = to_json(data)  # type: Any
        batch = record if self._single else [record]  # type: List[Any]
        self._sink.collect(ctx, json.dumps(batch, ensure_ascii=False).encode("utf-8"))

    def close(self, ctx: Any) -> None:
        self._sink.close(ctx)
