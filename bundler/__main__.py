"""The entry point: whatever happens, also while modules are loaded, is not a bare traceback."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from bundler.cli.app import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # what the command line has no words for
        sys.exit(_said(error))


def _said(error: Exception) -> int:
    """Say what went wrong; returns the exit code."""
    try:
        from bundler.cli.report import Report
        from bundler.cli.unexpected import told

        shown = told(error)
        Report.of_words(sys.argv[1:]).error(shown)
        return shown.exit_code
    except Exception as another:  # not even the modules for that can be loaded, or nothing printed
        name, text = type(another).__name__, " ".join(str(another).split())
        print(
            f"error: bundle could not start: {name}: {text!a}\nInstall flink-bundler again.",
            file=sys.stderr,
        )
        return 70


if __name__ == "__main__":
    main()
