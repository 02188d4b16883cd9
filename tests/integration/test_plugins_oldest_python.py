"""The unit tests of flink_plugins on the oldest Python that it promises, if this machine has it."""

import os
import shutil
import subprocess

import pytest
from uv import find_uv_bin

from bundler.support.interpreters import find_host
from bundler.target import Target
from tests.support.plugins_support import ROOT

pytestmark = pytest.mark.network


def test_on_python_3_7(tmp_path):
    python = find_host(Target("1.16.3", "3.7"))
    if python is None:
        pytest.skip("no Python 3.7 on this machine")
    environment, oldest = tmp_path / "venv", python.interpreter.executable
    subprocess.run(
        [find_uv_bin(), "venv", "--quiet", "--python", oldest, environment],
        check=True,
    )
    packages = ["pytest", "pytest-timeout", "ekuiper", "ruamel.yaml", "setuptools<68"]
    interpreter = environment / "bin" / "python"
    subprocess.run(
        [find_uv_bin(), "pip", "install", "--quiet", "--python", interpreter, *packages], check=True
    )
    # Beside the tests only: their conftest.py and pytest's settings need a newer Python.
    copies = tmp_path / "copies"
    shutil.copytree(ROOT / "tests" / "unit" / "flink_plugins", copies / "tests/unit/flink_plugins")
    shutil.copytree(ROOT / "examples" / "plugins", copies / "examples" / "plugins")
    shutil.copytree(ROOT / "jobs" / "flink_plugins", copies / "jobs" / "flink_plugins")
    finished = subprocess.run(
        [interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/flink_plugins",
         "--ignore", "tests/unit/flink_plugins/test_sinetstream_adapter.py"],
        cwd=copies,
        env={**os.environ, "PYTHONPATH": "jobs"},
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout
    assert " passed" in finished.stdout
