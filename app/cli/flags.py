"""Settings as flags: `postbacks --kafka host:9092 worker` is `POSTBACKS_KAFKA=host:9092 postbacks worker`.

The flags are made from the settings' names and stand before the command. A password or token is refused as a
flag: every user of a machine can read the arguments of its processes.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import typer

from app.cli.about_settings import TOLD
from app.cli.ending import fail
from app.kit.reader import PREFIX
from app.settings import names

_COMPLETING = "_POSTBACKS_COMPLETE" in os.environ


def flag_of(name: str) -> str:
    """The flag of a setting, by its name without the prefix."""
    return f"--{name.lower().replace('_', '-')}"


FLAGS = {flag_of(name): name for name in names()}
OPEN_FLAGS = [flag for flag, name in FLAGS.items() if not name.endswith(("PASSWORD", "TOKEN"))]
"""Those that are no secrets."""


def parameters() -> list[inspect.Parameter]:
    """An option for each setting, as typer reads them from a function's signature."""
    return [
        inspect.Parameter(
            name.lower(),
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None, typer.Option(flag, hidden=_is_hidden(flag), help=TOLD.get(name, PREFIX + name))
            ],
        )
        for flag, name in FLAGS.items()
    ]


def _is_hidden(flag: str) -> bool:
    """In the help 30 lines would bury the commands; a shell that completes is told what may be typed."""
    return not _COMPLETING or flag not in OPEN_FLAGS


def environment_of(given: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that the options stand for; one that shows a secret ends the command with status 2."""
    found = {}
    for option, value in given.items():
        if value is None:
            continue
        variable, flag = PREFIX + option.upper(), flag_of(option)
        if flag not in OPEN_FLAGS or _has_password(value):
            secret = f"a password in {flag}" if flag in OPEN_FLAGS else flag
            fail(
                f"{secret} would be seen by every user of this machine: set {variable} in the environment or "
                "in .env",
                status=2,
            )
        found[variable] = value
    return found


def _has_password(value: str) -> bool:
    try:
        return bool(urlsplit(value).password)
    except ValueError:
        return "@" in value
