"""Builds libheights.so, whose table and kernels are generated here, and the extension over it.

TERRAIN_SIZE is the size of the table in bytes; TERRAIN_ABI3=1 builds one wheel for all Pythons
(but free-threaded ones, whose ABI is not stable).
"""

import os
import random
import subprocess
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SIZE = int(os.environ.get("TERRAIN_SIZE", 6 << 20))
KERNELS = int(os.environ.get("TERRAIN_KERNELS", 400))
ABI3 = os.environ.get("TERRAIN_ABI3") == "1" and not sysconfig.get_config_var("Py_GIL_DISABLED")


class BuildWithLibrary(build_ext):
    def build_extensions(self):
        # The same folder for every Python, so that ccache finds what another one compiled.
        folder = Path("build", "native")
        folder.mkdir(parents=True, exist_ok=True)
        library = self.build_library(folder)
        for extension in self.extensions:
            extension.library_dirs.append(str(library.parent))
            # Where auditwheel finds the library; it puts it into the wheel and corrects this.
            extension.runtime_library_dirs.append(str(library.parent.resolve()))
        super().build_extensions()

    def build_library(self, folder):
        table = folder / "heights.bin"
        table.write_bytes(random.Random(7).getrandbits(8 * SIZE).to_bytes(SIZE, "little"))
        subprocess.run(
            ["ld", "-r", "-b", "binary", "-o", "heights.bin.o", "heights.bin"],
            cwd=folder,
            check=True,
        )
        kernels = folder / "kernels.c"
        kernels.write_text("".join(generated(KERNELS)))
        # The same flags for every Python give the same bytes, and ccache hits.
        compiler = os.environ.get("CC", "cc")
        objects = [str(folder / "heights.bin.o")]
        for source in ("native/heights.c", str(kernels)):
            objects.append(str(folder / f"{Path(source).stem}.o"))
            command = [compiler, "-O3", "-fPIC", "-Inative", "-c", source, "-o", objects[-1]]
            subprocess.run(command, check=True)
        library = folder / "libheights.so"
        link = ["-shared", "-Wl,-soname,libheights.so", "-Wl,-z,noexecstack", "-o", str(library)]
        subprocess.run([compiler, *objects, *link], check=True)
        return library


def generated(count):
    yield '#include "heights.h"\n'
    for number in range(count):
        a, b, c = number % 7 + 1, number % 11 + 2, number % 5 + 1
        yield (
            f"static double kernel_{number}(const unsigned char *row, long n) {{\n"
            "  double sum = 0;\n"
            f"  for (long i = 2; i < n; i++) sum += row[i] * {a} + row[i - 1] * {b} "
            f"- row[i - 2] * {c} + (row[i] ^ {number % 251});\n"
            f"  return sum / {a + b + c};\n}}\n"
        )
    names = ", ".join(f"kernel_{number}" for number in range(count))
    yield f"const kernel kernels[] = {{{names}}};\nconst long kernel_count = {count};\n"


setup(
    ext_modules=[
        Extension(
            "terrain._native",
            ["src/terrain/_native.c"],
            include_dirs=["native"],
            libraries=["heights"],
            define_macros=[("Py_LIMITED_API", "0x03080000")] if ABI3 else [],
            py_limited_api=ABI3,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp38"}} if ABI3 else {},
    cmdclass={"build_ext": BuildWithLibrary},
)
