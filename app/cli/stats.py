"""`postbacks stats`: counts, outcomes and latency, grouped as asked, from ClickHouse."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.clickhouse import (
    MAX_EXECUTION_S,
    FlowOption,
    HostOption,
    PostbackOption,
    SinceOption,
    TagOption,
    UntilOption,
    ask,
    filters_of,
)
from app.cli.ending import fail
from app.cli.printing import JsonOption, console, print_json, visible
from app.queries.filters import OUTCOMES
from app.queries.rows import Counted
from app.queries.stats import GROUPS
from app.queries.stats import stats as ask_stats


def stats(
    by: Annotated[str, typer.Option(help=f"Groups, with commas: {', '.join(GROUPS)}.")] = "flow,postback",
    flow: FlowOption = None,
    postback: PostbackOption = None,
    host: HostOption = None,
    tag: TagOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Groups at most.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """How many rows of which outcome, and how fast, by the hour of the lead event.

    Example: postbacks stats --by hour,host --since 24h
    """
    filters = filters_of(flow=flow, postback=postback, host=host, tags=tag, since=since, until=until)
    groups = [name.strip() for name in by.split(",") if name.strip()]
    if unknown := [name for name in groups if name not in GROUPS]:
        fail(f"--by {unknown[0]!r} is no group: they are {', '.join(GROUPS)}", status=2)
    rows = ask(
        lambda client: ask_stats(client, groups, filters, limit=limit, max_execution_s=MAX_EXECUTION_S)
    )
    if as_json:
        print_json({**row.group, **{k: v for k, v in asdict(row).items() if k != "group"}} for row in rows)
    else:
        _print_table(groups, rows)


def _print_table(groups: list[str], rows: list[Counted]) -> None:
    from rich.table import Table

    table = Table(*groups, box=None)
    for name in ("rows", "sends", *OUTCOMES, "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(name, justify="right")
    for row in rows:
        counts = [row.rows, row.sends, *(getattr(row, outcome) for outcome in OUTCOMES)]
        times = (row.duration_p50_ms, row.duration_p95_ms, row.duration_p99_ms)
        table.add_row(
            *(visible(row.group[name]) for name in groups),
            *(str(count or "") for count in counts),
            *("" if time is None else f"{time:.0f}" for time in times),
        )
    console().print(table)
