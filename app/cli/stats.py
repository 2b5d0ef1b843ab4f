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
from app.cli.printing import JsonOption, number, print_json
from app.cli.tables import Column, print_table
from app.queries.filters import OUTCOMES
from app.queries.rows import Counted
from app.queries.stats import GROUPS
from app.queries.stats import stats as ask_stats

_BY_IMPORTANCE = (
    *("delivered", "failed", "retrying", "skipped", "rows", "rejected", "parked", "blocked", "discarded"),
    *("p95 ms", "sends", "p50 ms", "p99 ms"),
)
"""Of these a narrow terminal leaves out the last ones."""


def stats(
    by: Annotated[
        str,
        typer.Option(help=f"Groups, with commas: {', '.join(GROUPS)}.", autocompletion=lambda: list(GROUPS)),
    ] = "flow,postback",
    flow: FlowOption = None,
    postback: PostbackOption = None,
    host: HostOption = None,
    tag: TagOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Groups at most.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Counts, outcomes and latency, by the hour of the lead event.

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
    counts = [*("rows", "sends"), *OUTCOMES]
    quantiles = {"p50 ms": "duration_p50_ms", "p95 ms": "duration_p95_ms", "p99 ms": "duration_p99_ms"}
    columns = [Column(name, least=0 if name in ("hour", "day") else 8) for name in groups]
    columns += [
        Column(name, rank=_BY_IMPORTANCE.index(name) + 1, right=True) for name in (*counts, *quantiles)
    ]
    print_table(
        columns,
        [
            (
                *(row.group[name] for name in groups),
                *(str(getattr(row, name) or "") for name in counts),
                *(number(getattr(row, name)) for name in quantiles.values()),
            )
            for row in rows
        ],
    )
