"""Flink itself: its configuration, its REST API, a submit, and a local cluster."""
