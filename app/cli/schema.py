"""`postbacks schema`: JSON Schemas of the topics' values."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.ending import fail
from app.messages.schemas import schemas, text_of


def schema(
    name: Annotated[
        str | None,
        typer.Argument(help="The schema to print; all without it.", autocompletion=lambda: list(schemas())),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write NAME.json into this folder instead.")] = None,
) -> None:
    """JSON Schemas of the topics' values.

    Example: postbacks schema lead-event
    """
    made = schemas()
    if name is not None and name not in made:
        fail(f"there is no schema {name!r}; choose from {', '.join(made)}", status=2)
    chosen = made if name is None else {name: made[name]}
    if out is None:
        sys.stdout.buffer.write(text_of(chosen if name is None else made[name]).encode())
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for one, content in chosen.items():
            (out / f"{one}.json").write_text(text_of(content), encoding="utf-8")
            print(out / f"{one}.json")
    except OSError as error:
        fail(f"--out {out} cannot be written: {error.strerror}")
