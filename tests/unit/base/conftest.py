from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def cc() -> str:
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("no C compiler")
    return found
