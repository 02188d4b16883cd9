"""Plugins as files: found, packed, begun."""
