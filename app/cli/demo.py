"""`postbacks demo`: the product at work on this machine, with samples."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer

from app.cli.dev import PortOption, called, environ_at_home, run_at_home, settings_at_home
from app.cli.ending import fail
from app.cli.printing import console
from app.kit.home import is_held
from app.kit.process import told_to_stop
from app.kit.reader import PREFIX
from app.settings import Settings

_OBEYED = ("DATA_DIR", "WEB", "TOKEN", "VIEW_TOKEN", "LOG_FORMAT", "LOG_LEVEL")
_WIDTH_OF_A_PIPE = 160

OnceOption = Annotated[
    bool,
    typer.Option("--once", help="End when all samples came to an outcome; status 0 if to the right one."),
]


def demo(once: OnceOption = False, port: PortOption = None) -> None:
    """Send sample leads to a receiver that answers well, badly, slowly and never, and show what comes of it.

    Everything runs on this machine and nothing leaves it. Of the settings only those count that say where it
    runs and how it logs.

    Example: postbacks demo --once
    """
    from app.kit.logs import configure

    environ = environ_at_home("demo")
    settings = settings_at_home({PREFIX + name: environ.get(PREFIX + name, "") for name in _OBEYED}, port)

    async def work() -> int:
        from app.demo.run import Stage, run

        out = console(None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)
        return await run(settings, Stage(out, told_to_stop(), called(settings), once))

    configure(settings.log_format, settings.log_level, _opened(settings.data_dir / "demo" / "log", settings))
    run_at_home(work)


def _opened(path: Path, settings: Settings) -> TextIO:
    """The file that keeps the logs out of the table's way; one that another demo writes is not emptied."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a" if is_held(settings.data_dir) else "w", encoding="utf-8")
    except OSError as error:
        fail(f"{path} cannot be written ({error.strerror}): set {PREFIX}DATA_DIR")
