"""`postbacks park`, `release`, `discard`: a postback's requests are kept, let go, or thrown away."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.printing import JsonOption

FlowId = Annotated[str, typer.Argument(metavar="FLOW", help="Flow id; * holds the global postbacks.")]
PostbackId = Annotated[str, typer.Argument(metavar="POSTBACK", help="Postback id.")]
RateOption = Annotated[float, typer.Option(min=0.1, max=10_000, help="Requests a second.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def park(
    flow: FlowId,
    postback: PostbackId,
    why: Annotated[str, typer.Option(help="What others will read about it.")] = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send nothing more for a postback: keep its requests until they are released or discarded.

    Example: postbacks park F-7 fb --why "the pixel is being moved"
    """
    from app.cli.parked import Asked, park

    park(Asked(flow, postback, yes, as_json), why)


def release(
    flow: FlowId,
    postback: PostbackId,
    rate: RateOption = 50,
    rerender: Annotated[
        bool, typer.Option("--rerender", help="Render them by the flow as it is now; shows the difference.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a parked postback's requests go, oldest first, then send again as they come.

    Stopped half-way it can be run again. It stops by itself when the receiver refuses us again.

    Example: postbacks release F-7 fb --rerender --rate 20
    """
    from app.cli.parked import Asked, release

    release(Asked(flow, postback, yes, as_json), rate, rerender)


def discard(flow: FlowId, postback: PostbackId, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Throw away what a postback keeps now, with a row `discarded` each; its state stays.

    Example: postbacks discard F-7 fb
    """
    from app.cli.parked import Asked, discard

    discard(Asked(flow, postback, yes, as_json))
