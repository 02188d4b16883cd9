"""A package index on loopback: real HTTP, for what needs an index but not the internet."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


def make_wheel(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    tag: str = "py3-none-any",
    *,
    requires: Sequence[str] = (),
    **files: str,
) -> Path:
    """A sound wheel with one module called like the package, and ``files`` beside it."""
    members = {f"{name}.py": f"version = {version!r}\n", **files}
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {other}\n" for other in requires)
    members[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
    )
    members[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    record = "".join(
        "{},sha256={},{}\n".format(
            path,
            base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode(),
            len(text.encode()),
        )
        for path, text in members.items()
    )
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in members.items():
            archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), text)
    return path


_BACKEND = """
import base64, hashlib, os, zipfile

def build_wheel(folder, settings=None, metadata=None):
    tag = {tag!r}
    if os.environ.get("CC") == "false" and {compiled!r}:
        raise SystemExit("error: a compiler is needed")
    name = "{name}-{version}-" + tag + ".whl"
    info = "{name}-{version}.dist-info/"
    members = {{
        "{name}.py": "built = True\\n",
        info + "METADATA": open("PKG-INFO").read(),
        info + "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: " + tag + "\\n",
    }}
    record = "".join(
        "%s,sha256=%s,%d\\n" % (
            path,
            base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode(),
            len(text),
        )
        for path, text in members.items()
    )
    members[info + "RECORD"] = record + info + "RECORD,,\\n"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
    return name
"""


def make_sdist(
    folder: Path,
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    compiled: bool = False,
) -> Path:
    """An sdist with static metadata and a build backend of its own, which needs no other.

    If ``compiled``, it does not build without a compiler.
    """
    backend = _BACKEND.format(name=name, version=version, tag=tag, compiled=compiled)
    files = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
        "backend.py": backend.replace("\\\\n", "\\n"),
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        f'backend-path = ["."]\n[project]\nname = "{name}"\nversion = "{version}"\n',
    }
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, text in files.items():
            info = tarfile.TarInfo(f"{name}-{version}/{member}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


class Index:
    """Serves the files of a folder, and a simple index (PEP 503) of the wheels and sdists in it.

    ``requests`` are the paths asked for; ``failures`` maps a file name to the statuses it is
    answered with before it is served; ``cut`` says how often a file is sent only in half;
    of a file in ``held`` half is sent, and the rest once the event is set; ``password`` is asked
    for if set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        self.failures: dict[str, list[int]] = {}
        self.cut: dict[str, int] = {}
        self.held: dict[str, threading.Event] = {}
        self.password: tuple[str, str] | None = None
        self.url = ""

    def link(self, path: Path) -> str:
        """The address of a file of the folder."""
        return f"{self.url}/files/{path.name}"

    def page(self, name: str) -> bytes:
        """The simple page of a project."""
        rows = [
            f'<a href="/files/{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}">'
            f"{path.name}</a>"
            for path in sorted(self.folder.iterdir())
            if path.name.lower().replace("_", "-").startswith(f"{name}-")
        ]
        return f"<!DOCTYPE html><html><body>{''.join(rows)}</body></html>".encode()


@contextmanager
def serve(folder: Path) -> Iterator[Index]:
    """Run an index over ``folder`` while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    index = Index(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.command == "GET":
                index.requests.append(self.path)
            kind, _, name = self.path.strip("/").partition("/")
            name = unquote(name.strip("/"))
            if index.password and not self._allowed(*index.password):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if index.failures.get(name):
                self.send_error(index.failures[name].pop(0))
                return
            file = index.folder / name
            if kind == "simple" and (body := index.page(name)).count(b"<a "):
                self._answer(body, "text/html", len(body))
            elif kind == "files" and file.is_file():
                body = file.read_bytes()
                sent = body
                if index.cut.get(name, 0):
                    index.cut[name] -= 1
                    sent = body[: len(body) // 2]
                self._answer(sent, "application/octet-stream", len(body))
            else:
                self.send_error(404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _allowed(self, user: str, password: str) -> bool:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            return self.headers.get("Authorization") == f"Basic {token}"

        def _answer(self, body: bytes, kind: str, length: int) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command == "HEAD":
                return
            held = index.held.get(self.path.rpartition("/")[2])
            if held is not None:
                self.wfile.write(body[: length // 2])
                self.wfile.flush()
                held.wait(60)
                body = body[length // 2 :]
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
