"""`postbacks reconcile`: a network's list beside what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from app.cli.backfill import FlowIdOption, PostbackIdOption, ToOption, span_of
from app.cli.ending import fail
from app.cli.parking import RateOption, YesOption
from app.cli.printing import JsonOption

_COLUMNS = ("click", "status", "payout")


def reconcile(
    flow: FlowIdOption,
    postback: PostbackIdOption,
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="The network's list; - is standard input.")
    ],
    from_: Annotated[
        str, typer.Option("--from", help="Only requests of events from then on: 30d, 2026-11-01.")
    ] = "1970-01-01",
    to: ToOption = "0s",
    columns: Annotated[
        str, typer.Option(help="Which columns: click=NAME,status=NAME,payout=NAME; usual names are known.")
    ] = "",
    statuses: Annotated[
        str, typer.Option(help="What the list's words mean: sale=approve,wait=hold; usual ones are known.")
    ] = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="OUT", help="Write what differs there.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Send again what they lack; counts first, and asks.")
    ] = False,
    rate: RateOption = 50,
    rerender: Annotated[
        bool, typer.Option("--rerender", help="With --replay: by the flow as it is now.")
    ] = False,
    ignore_deadline: Annotated[
        bool, typer.Option("--ignore-deadline", help="With --replay: also what is past its deadline.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare a network's list of conversions (CSV) with what a postback sent, click by click.

    They lack what was sent and is not in the list; not sent is what the list has and we did not deliver;
    status or payout may differ; a click may be there twice. Give the times of the list: what lies outside is
    not compared.

    Example: postbacks reconcile --flow F-7 --postback net november.csv --from 2026-11-01 --to 2026-12-01
    """
    from app.cli.reconciling import Asked, run_reconcile
    from app.queries.clicks import OfPostback
    from app.queries.reconcile import WORDS

    of_postback = OfPostback(flow, postback, *span_of(from_, to))
    words = {**WORDS, **{word.lower(): frozenset((ours,)) for word, ours in _statuses(statuses).items()}}
    named = _pairs(columns, "--columns")
    if unknown := [name for name in named if name not in _COLUMNS]:
        fail(f"--columns knows click, status and payout, not {unknown[0]!r}", status=2)
    run_reconcile(
        Asked(of_postback, file, named, words, csv, replay, rate, rerender, ignore_deadline, yes, as_json)
    )


def _statuses(text: str) -> Mapping[str, str]:
    from app.leads.malformed import STATUSES

    found = _pairs(text, "--statuses")
    if unknown := [ours for ours in found.values() if ours not in STATUSES]:
        fail(f"--statuses: {unknown[0]!r} is no status of ours: {', '.join(STATUSES)}", status=2)
    return {word: STATUSES[ours] for word, ours in found.items()}


def _pairs(text: str, option: str) -> dict[str, str]:
    found = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not value.strip():
            fail(f"{option} {part!r}: write NAME=VALUE, several with commas", status=2)
        found[name.strip()] = value.strip()
    return found
