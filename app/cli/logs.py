"""`postbacks logs`: what was sent, what came back, what was not sent and why, from ClickHouse."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from app.cli.clickhouse import (
    MAX_EXECUTION_S,
    ClickOption,
    CodeOption,
    EventOption,
    FlowOption,
    HostOption,
    LeadFlowOption,
    LeadOption,
    OutcomeOption,
    PostbackOption,
    SinceOption,
    TagOption,
    TextOption,
    UntilOption,
    ask,
    filters_of,
)
from app.cli.ending import fail
from app.cli.printing import JsonOption, console, moment, number, print_json, visible
from app.cli.tables import Column, print_table
from app.messages.record import LogRecord
from app.queries.rows import Listed, Shown

logs_app = typer.Typer(
    help="The postback log in ClickHouse.",
    epilog="Example: postbacks logs list --outcome failed --since 2h",
    no_args_is_help=True,
)


@logs_app.command("list")
def list_command(
    flow: FlowOption = None,
    lead_flow: LeadFlowOption = None,
    postback: PostbackOption = None,
    lead: LeadOption = None,
    click: ClickOption = None,
    host: HostOption = None,
    outcome: OutcomeOption = None,
    code: CodeOption = None,
    event: EventOption = None,
    tag: TagOption = None,
    text: TextOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows at most.")] = 50,
    before: Annotated[str | None, typer.Option(help="The cursor that a page ends with.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Attempts, skips and rejections, newest first.

    Example: postbacks logs list --flow F-7 --outcome failed --since 2h
    """
    from app.queries.log import list_rows

    filters = filters_of(
        flow=flow, lead_flow=lead_flow, postback=postback, lead=lead, click=click, host=host, event=event,
        text=text, outcomes=outcome, code=code, tags=tag, since=since, until=until,
    )  # fmt: skip
    page = ask(
        lambda client: list_rows(client, filters, limit=limit, before=before, max_execution_s=MAX_EXECUTION_S)
    )
    if as_json:
        print_json({**asdict(row), "cursor": row.cursor} for row in page.rows)
    else:
        _print_list(page.rows)
    if page.next and not as_json:
        print(f"more: --before {page.next}", file=sys.stderr)


@logs_app.command("tail")
def tail_command(
    flow: FlowOption = None,
    lead_flow: LeadFlowOption = None,
    postback: PostbackOption = None,
    lead: LeadOption = None,
    click: ClickOption = None,
    host: HostOption = None,
    outcome: OutcomeOption = None,
    code: CodeOption = None,
    event: EventOption = None,
    tag: TagOption = None,
    text: TextOption = None,
    last: Annotated[int, typer.Option(min=0, max=10_000, help="How many of the newest to begin with.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Rows as they come, until Ctrl-C.

    Example: postbacks logs tail --flow F-7 --outcome failed --outcome retrying
    """
    from app.cli.tail import follow

    filters = filters_of(
        flow=flow, lead_flow=lead_flow, postback=postback, lead=lead, click=click, host=host, event=event,
        text=text, outcomes=outcome, code=code, tags=tag,
    )  # fmt: skip
    follow(filters, last=last, as_json=as_json)


@logs_app.command("show")
def show_command(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="Request id or how it begins; of a skip, its attempt id.")
    ],
    as_json: JsonOption = False,
) -> None:
    """One request with all its attempts: what was sent, what came back, what followed.

    Example: postbacks logs show 6f1d0c2e
    """
    from app.queries.log import beginning, show_request, show_row

    async def find(client: Any) -> list[Shown]:
        for begins in (id_, *await beginning(client, id_.rstrip("…"), max_execution_s=MAX_EXECUTION_S)):
            if rows := await show_request(client, begins, max_execution_s=MAX_EXECUTION_S):
                return rows
        return await show_row(client, id_, max_execution_s=MAX_EXECUTION_S)

    rows = ask(find)
    if not rows:
        fail(f"there is no request or attempt {id_!r} in the log; postbacks logs list shows their ids")
    if as_json:
        print_json(asdict(row) for row in rows)
    else:
        _print_shown(rows)


_LISTED = (
    Column("time", rank=2),
    Column("outcome"),
    Column("flow", rank=8, least=6),
    Column("postback", rank=6, least=8),
    Column("event", rank=5, least=7),
    Column("lead", rank=1, least=8),
    Column("host", rank=7, least=10),
    Column("code", rank=4, right=True),
    Column("try", rank=9, right=True),
    Column("ms", rank=10, right=True),
    Column("reason", rank=3, least=16),
    Column("request", least=9),
)


def _print_list(rows: list[Listed]) -> None:
    print_table(
        _LISTED,
        [
            (
                moment(row.logged_at)[:19],
                *(row.outcome, row.flow_id, row.postback_id, row.event, row.lead_id, row.host),
                *map(number, (row.response_status, row.attempt or None, row.duration_ms)),
                row.reason or row.error,
                row.request_id or row.attempt_id,
            )
            for row in rows
        ],
    )


def _print_shown(rows: list[Shown]) -> None:
    out = console()
    first = rows[0]
    request = first.request_id or first.attempt_id
    out.print(f"[bold]{visible(request)}[/bold]  flow {visible(first.flow_id)} version {first.flow_version}")
    out.print(f"lead {visible(first.lead_id)}, event {visible(first.event_id)}, {visible(first.event)}")
    for row in rows:
        out.print()
        kind = f"attempt {row.attempt}" if row.attempt else "no attempt"
        out.print(f"[bold]{kind}: {row.outcome}[/bold]  {moment(row.logged_at)}  {visible(row.reason)}")
        for line in lines_of(row):
            out.print(f"  {line}", soft_wrap=True)
        if row.next_attempt_at:
            out.print(f"  next attempt {moment(row.next_attempt_at)}")


def lines_of(row: Shown | LogRecord) -> list[str]:
    """What was sent and what came back, a line each; what is empty is left out."""
    lines = [f"{row.method} {visible(row.url)}"] if row.url else []
    lines += [f"{visible(name)}: {visible(value)}" for name, value in row.request_headers.items()]
    lines += [visible(row.request_body)] if row.request_body else []
    if row.response_status is not None:
        lines.append(f"→ {row.response_status} in {number(row.duration_ms)} ms")
    lines += [f"→ {visible(name)}: {visible(value)}" for name, value in row.response_headers.items()]
    lines += [f"→ {visible(row.response_body)}"] if row.response_body else []
    lines += [f"error: {visible(row.error)}"] if row.error else []
    if row.verdict:
        lines.append(f"verdict: {visible(row.verdict)}" + (f" by {visible(row.rule)}" if row.rule else ""))
    return lines
