"""`postbacks simulate`: what a flow would have sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.backfill import FromOption, ToOption, span_of
from app.cli.printing import JsonOption


def simulate(
    file: Annotated[Path, typer.Argument(help="A JSON file with one flow; - is standard input.")],
    from_: FromOption,
    to: ToOption = "0s",
    flow: Annotated[
        str | None, typer.Option("--flow", help="Take it for this flow. Default: the flow that it names.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What a flow would have sent of stored events, and how that differs from what was sent. Sends nothing.

    Each lead is gone through from its first event, by JOIN's own rules, as if the flow had always been there.
    The other flows are those of now.

    Example: postbacks simulate flows/summer.json --from 7d
    """
    from app.cli.simulating import run_simulation

    run_simulation(file, flow, span_of(from_, to), as_json=as_json)
