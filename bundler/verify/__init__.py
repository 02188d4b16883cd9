"""Checks on what was built, before anybody uploads it."""
