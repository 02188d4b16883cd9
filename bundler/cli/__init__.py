"""The command line: words to values and back, no logic."""
