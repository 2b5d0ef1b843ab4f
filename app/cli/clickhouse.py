"""What the commands that ask ClickHouse share: filter options, one question, what its failure says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer

from app.cli.ending import fail, settings_told
from app.kit.clock import now_ms
from app.queries.filters import OUTCOMES, TAGS, FilterFault, Filters, codes_of, moment_ms
from app.settings import Settings

MAX_EXECUTION_S = 60.0
_Got = TypeVar("_Got")

FlowOption = Annotated[
    str | None, typer.Option("--flow", help="The flow that holds the postback; * holds the global ones.")
]
LeadFlowOption = Annotated[
    str | None, typer.Option("--lead-flow", help="The lead's own flow: what * sent for its leads too.")
]
PostbackOption = Annotated[str | None, typer.Option("--postback", help="Postback id.")]
LeadOption = Annotated[str | None, typer.Option("--lead", help="Lead id.")]
ClickOption = Annotated[str | None, typer.Option("--click", help="Click id.")]
HostOption = Annotated[str | None, typer.Option("--host", help="Receiver's host.")]
OutcomeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--outcome", help=f"{', '.join(OUTCOMES)}; may be given again.", autocompletion=lambda: list(OUTCOMES)
    ),
]
CodeOption = Annotated[str | None, typer.Option("--code", help="HTTP status of the answer: 404 or 5xx.")]
EventOption = Annotated[
    str | None, typer.Option("--event", help="What the postback reacted to: approve, goal:1.")
]
TextOption = Annotated[str | None, typer.Option("--text", help="In link, bodies, error or reason.")]
TagOption = Annotated[list[str] | None, typer.Option("--tag", help=f"NAME=VALUE, of {', '.join(TAGS)}.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="2h or 7d (ago), or 2026-11-24T15:00:00Z.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Likewise; not included.")]


def filters_of(
    *,
    outcomes: list[str] | None = None,
    code: str | None = None,
    tags: list[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    **same: str | None,
) -> Filters:
    """The filters that the options ask for; one that cannot be read ends the command with status 2."""
    now = now_ms()
    try:
        if unknown := [name for name in outcomes or () if name not in OUTCOMES]:
            raise FilterFault(f"no outcome {unknown[0]!r}: they are {', '.join(OUTCOMES)}")
        return Filters(
            outcomes=tuple(outcomes or ()),
            codes=codes_of(code) if code else None,
            tags=dict(map(_tag, tags or ())),
            since_ms=moment_ms(since, now) if since else None,
            until_ms=moment_ms(until, now) if until else None,
            **same,
        )
    except FilterFault as fault:
        fail(str(fault), status=2)


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in TAGS:
        raise FilterFault(f"{text!r} is no tag: write NAME=VALUE, of {', '.join(TAGS)}")
    return name, value


def ask(question: Callable[[Any], Awaitable[_Got]]) -> _Got:
    """Ask ClickHouse one question; that it is away or not set up is one line and status 1."""
    from app.log.writer import connect

    settings = settings_told()

    async def run() -> _Got:
        client = await connect(settings.clickhouse)
        try:
            return await question(client)
        finally:
            await client.close()

    try:
        with clickhouse_failures_told(settings.clickhouse):
            return asyncio.run(run())
    except FilterFault as fault:
        fail(str(fault), status=2)


@contextmanager
def clickhouse_failures_told(url: str) -> Iterator[None]:
    """End the command when ClickHouse at `url` fails inside: one line with what to do, and status 1."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from app.log.refusal import shortened
    from app.log.writer import ClickHouseFault, shown

    try:
        yield
    except ClickHouseFault as fault:
        fail(f"{fault}{_cure(str(fault))}")
    except ClickHouseError as error:
        home = "; no postbacks dev runs in this folder" if url == Settings.clickhouse else ""
        fail(f"ClickHouse at {shown(url)}: {shortened(str(error))}{_cure(str(error))}{home}")


def _cure(text: str) -> str:
    if "UNKNOWN_TABLE" in text or "UNKNOWN_DATABASE" in text:
        return "; make the tables: postbacks migrate"
    if "Network Error" in text:
        return "; is it running, and is POSTBACKS_CLICKHOUSE right?"
    if "AUTHENTICATION_FAILED" in text:
        return "; user and password are those in POSTBACKS_CLICKHOUSE"
    if "TIMEOUT_EXCEEDED" in text:
        return "; ask for less: --since, --flow"
    return ""
