"""Shared libraries and executables: read and stripped, bytes only."""
