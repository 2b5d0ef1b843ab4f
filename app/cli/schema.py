"""`postbacks schema`: JSON Schemas of the topics' values."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.ending import fail
from app.messages.schemas import Schema, schemas, text_of


def schema(
    name: Annotated[
        str | None,
        typer.Argument(
            help="The schema to print; all without it.", autocompletion=lambda: [*schemas(), "openapi"]
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write NAME.json into this folder instead.")] = None,
) -> None:
    """JSON Schemas of the topics' values, and openapi, the HTTP API's.

    Example: postbacks schema lead-event
    """
    made = schemas() | ({"openapi": _openapi()} if name in (None, "openapi") else {})
    if name is not None and name not in made:
        fail(f"there is no schema {name!r}; choose from {', '.join(made)}, openapi", status=2)
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


def _openapi() -> Schema:
    from app.web.api.openapi import document  # late: it brings the whole web role
    from app.web.api.table import ROUTES

    return document(ROUTES)
