"""The entry point: Ctrl-C ends the command quietly even while its modules are still loaded."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from bundler.cli.app import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
