"""Where the Python inside venv.zip comes from."""
