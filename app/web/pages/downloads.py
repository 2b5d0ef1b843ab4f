"""The log as a file: what the filters find, streamed some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.kit.logs import logger
from app.log.refusal import shortened
from app.queries.filters import Filters
from app.queries.log import Page, list_rows
from app.queries.rows import Listed
from app.web.context import asker_in, web_of
from app.web.downloads import csv_head, csv_lines, json_lines
from app.web.pages.viewers import as_seen
from app.web.query import asked_in

_ROWS = 1000

Lines = Callable[[Sequence[Listed]], bytes]


async def as_csv(request: web.Request) -> web.StreamResponse:
    """The rows for a spreadsheet."""
    return await _download(request, "csv", "text/csv; charset=utf-8", csv_head(), csv_lines)


async def as_json_lines(request: web.Request) -> web.StreamResponse:
    """The rows for a program."""
    return await _download(request, "jsonl", "application/jsonl", b"", json_lines)


async def _download(
    request: web.Request, ending: str, content_type: str, head: bytes, lines: Lines
) -> web.StreamResponse:
    _, filters = asked_in(request.query.items(), asker_in(request), web_of(request).now_ms())
    found = await _next(request, filters, None)  # before the head is sent: a failure is still told
    disposition = f'attachment; filename="outgoing-postbacks.{ending}"'
    response = web.StreamResponse(headers={"Content-Type": content_type, "Content-Disposition": disposition})
    await response.prepare(request)
    await response.write(head)
    try:
        while True:
            await response.write(lines(await as_seen(request, found.rows)))
            if found.next is None:
                break
            found = await _next(request, filters, found.next)
    except ClickHouseError as error:
        logger().warning("a download was cut off", reason=shortened(str(error)))
        if request.transport is not None:
            request.transport.abort()  # the file must not look whole
        return response
    await response.write_eof()
    return response


async def _next(request: web.Request, filters: Filters, before: str | None) -> Page:
    client = await web_of(request).clickhouse()
    return await list_rows(client, filters, limit=_ROWS, before=before)
