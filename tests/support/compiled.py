"""Sources with C in them, whose own build backend calls the compiler: no index is needed."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from bundler.wheels.sources import Source

_BACKEND = """
import base64, hashlib, os, shlex, subprocess, sys, sysconfig, zipfile

NAME, VERSION = "{name}", "{version}"

def build_wheel(folder, settings=None, metadata=None):
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    include = sysconfig.get_paths()["include"]
    out = NAME + suffix
    command = [*shlex.split(sysconfig.get_config_var("CC")), "-shared", "-fPIC", "-O2",
               "-I" + include, "-o", out, NAME + ".c", *shlex.split("{flags}")]
    print(" ".join(command))
    subprocess.run(command, check=True)
    python = "cp%d%d" % sys.version_info[:2]
    tag = "%s-%s%s-linux_x86_64" % (python, python, sys.abiflags)
    wheel = "%s-%s-%s.whl" % (NAME, VERSION, tag)
    info = "%s-%s.dist-info/" % (NAME, VERSION)
    members = {{
        out: open(out, "rb").read(),
        info + "METADATA": open("PKG-INFO", "rb").read(),
        info + "WHEEL": ("Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: false\\n"
                         "Tag: %s\\n" % tag).encode(),
    }}
    rows = []
    for path, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append("%s,sha256=%s,%d\\n" % (path, digest, len(data)))
    members[info + "RECORD"] = ("".join(rows) + info + "RECORD,,\\n").encode()
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return wheel
"""

_CODE = """
#include <Python.h>
{before}
static PyObject *answer(PyObject *self, PyObject *args) {{ {body} }}
static PyMethodDef methods[] = {{{{"answer", answer, METH_NOARGS, ""}}, {{NULL, NULL, 0, NULL}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", "", -1, methods}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""


def c_source(
    folder: Path,
    name: str,
    body: str = "return PyLong_FromLong(42);",
    *,
    before: str = "",
    flags: str = "",
) -> Source:
    """An sdist of a module ``name`` with a C function ``answer()`` that has this ``body``."""
    version = "1.0"
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "backend.py": _BACKEND.format(name=name, version=version, flags=flags),
        f"{name}.c": _CODE.format(name=name, body=body, before=before),
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        f'backend-path = ["."]\n[project]\nname = "{name}"\nversion = "{version}"\n',
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, text in files.items():
            info = tarfile.TarInfo(f"{name}-{version}/{member}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return Source(name, version, path, hashlib.sha256(path.read_bytes()).hexdigest())
