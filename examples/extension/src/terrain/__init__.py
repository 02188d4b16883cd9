"""A height map that lives in a shared library."""

from __future__ import annotations

from terrain._native import at, size, smoothed

__all__ = ["at", "size", "smoothed"]
