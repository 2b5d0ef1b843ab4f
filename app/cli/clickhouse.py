"""What the commands that ask ClickHouse share: filter options, one question, how the answer is printed.

Text from leads and receivers is shown with its control characters made visible: it must not move the cursor.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer

from app.kit.clock import now_ms
from app.queries.filters import OUTCOMES, TAGS, FilterFault, Filters, codes_of, moment_ms
from app.settings import load

MAX_EXECUTION_S = 60.0
_Got = TypeVar("_Got")
_WIDTH_OF_A_PIPE = 240

FlowOption = Annotated[str | None, typer.Option("--flow", help="Flow id; * holds the global postbacks.")]
PostbackOption = Annotated[str | None, typer.Option("--postback", help="Postback id.")]
HostOption = Annotated[str | None, typer.Option("--host", help="Receiver's host.")]
TagOption = Annotated[list[str] | None, typer.Option("--tag", help=f"NAME=VALUE, of {', '.join(TAGS)}.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="2h, 7d ago, or 2026-11-24T15:00:00Z.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Likewise; not included.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One object a line.")]


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
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from app.log.refusal import shortened
    from app.log.writer import ClickHouseFault, connect, shown

    settings = load()

    async def run() -> _Got:
        client = await connect(settings.clickhouse)
        try:
            return await question(client)
        finally:
            await client.close()

    try:
        return asyncio.run(run())
    except FilterFault as fault:
        fail(str(fault), status=2)
    except ClickHouseFault as fault:
        fail(f"{fault}{_cure(str(fault))}")
    except ClickHouseError as error:
        fail(f"ClickHouse at {shown(settings.clickhouse)}: {shortened(str(error))}{_cure(str(error))}")


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


def fail(text: str, status: int = 1) -> NoReturn:
    """Say one line on standard error and end."""
    print(f"postbacks: {text}", file=sys.stderr)
    sys.exit(status)


def print_json(rows: Iterable[dict[str, Any]]) -> None:
    """One object a line; times as ISO 8601 in UTC, prices as numbers."""
    for row in rows:
        sys.stdout.buffer.write(orjson.dumps(row, default=_plain, option=orjson.OPT_UTC_Z) + b"\n")
    sys.stdout.buffer.flush()


def _plain(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


def console() -> Any:
    """Where tables go: as wide as the terminal, and wide where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, highlight=False)


def visible(text: str) -> str:
    """A text without control characters and rich's markup."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))
