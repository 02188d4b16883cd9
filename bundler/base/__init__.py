"""Where the Python inside venv.zip comes from."""

from bundler.base.find import find_base
from bundler.base.model import Base, BaseOptions

__all__ = ["Base", "BaseOptions", "find_base"]
