"""The command `postbacks`: each command is imported when it is called, so that small ones start fast."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line; exits with 0 done, 1 failed, 2 wrong use or bad input."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a terminal that is not UTF-8 shows what it cannot by escapes
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:]
    if arguments[:1] == ["preview"]:
        from app.cli.preview import main as preview

        sys.exit(preview(arguments[1:]))
    from app.cli.commands import run

    run()
