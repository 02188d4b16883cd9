"""Where the Python inside venv.zip comes from."""

from bundler.base.find import KINDS, find_base
from bundler.base.model import Base, BaseOptions

__all__ = ["KINDS", "Base", "BaseOptions", "find_base"]
