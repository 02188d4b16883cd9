"""Wheels of one's own extension: built, split, joined, published."""
