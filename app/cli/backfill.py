"""`postbacks backfill`: a postback for events that were there before it."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.ending import fail
from app.cli.parking import RateOption, YesOption
from app.cli.printing import JsonOption
from app.kit.clock import now_ms
from app.queries.filters import FilterFault, moment_ms

FlowIdOption = Annotated[
    str, typer.Option("--flow", help="The flow that holds the postback; * holds the global ones.")
]
PostbackIdOption = Annotated[str, typer.Option("--postback", help="Postback id.")]
FromOption = Annotated[
    str, typer.Option("--from", help="Events from then on: 7d or 2h (ago), or 2026-11-24T15:00:00Z.")
]
ToOption = Annotated[
    str, typer.Option("--to", show_default=False, help="Likewise; not included. Default: now.")
]


def backfill(
    flow: FlowIdOption,
    postback: PostbackIdOption,
    from_: FromOption,
    to: ToOption = "0s",
    rate: RateOption = 50,
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many at most, the first ones.")] = None,
    ignore_deadline: Annotated[
        bool, typer.Option("--ignore-deadline", help="Send also what is past the postback's deadline.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send what a postback that was added or changed since would have sent for stored events.

    The flow of now decides by all its rules. What was made before for an event and this postback is not sent
    again (replay does that), so it may be run again, also after it was stopped half-way. It counts first,
    shows the first ten, and asks.

    Example: postbacks backfill --flow F-7 --postback fb --from 7d
    """
    from app.cli.backfilling import Sending, run_backfill
    from app.queries.backfill import Asked
    from app.queries.stored import Span

    asked = Asked(Span(flow, *span_of(from_, to)), postback, ignore_deadline)
    run_backfill(asked, Sending(rate, limit, yes, as_json))


def span_of(from_: str, to: str) -> tuple[int, int]:
    """The times of --from and --to in Unix milliseconds; wrong ones end the command with status 2."""
    now = now_ms()
    try:
        from_ms, to_ms = moment_ms(from_, now), moment_ms(to, now)
    except FilterFault as fault:
        fail(str(fault), status=2)
    if from_ms >= to_ms:
        fail(f"--from {from_} is not before --to {to}", status=2)
    return from_ms, to_ms
