"""Archives for PyFlink jobs: built from locks and wheels, checked, configured and submitted."""

__version__ = "0.1.0"
