"""ClickHouse's HTTP interface, as far as clickhouse-connect and curl need it: requests and answers as values.

Pure. What a URL says beside `query`, `database`, `param_…` and the transport's own names is a setting of
the engine. Sessions, users, external tables and ClickHouse's own compression (`compress=1`) are not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from app.embedded.engine import Answer, Call, Fault
from app.embedded.sql import Statement, Unreadable, read

SYNTAX_ERROR, NOT_IMPLEMENTED = 62, 48

# Names of the interface itself: they never reach the engine, which would call them unknown settings.
_OF_THE_TRANSPORT = frozenset(
    {
        *("query", "database", "default_format", "query_id", "session_id", "session_timeout"),
        *("session_check", "user", "password", "quota_key", "role", "compress", "decompress"),
        *("buffer_size", "wait_end_of_query", "client_protocol_version", "stacktrace", "close_session"),
        *("enable_http_compression", "http_zlib_compression_level", "add_http_cors_header"),
        *("send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        "cancel_http_readonly_queries_on_client_close",
    }
)
# As ClickHouse's exceptionCodeToHTTPStatus; any other code is 500.
_STATUS_OF_CODE = {
    **dict.fromkeys((6, 7, 26, 27, 33, 36, 38, 41, 43, 53, 62, 70, 72, 117, 130, 131, 456, 457), 400),
    **dict.fromkeys((16, 46, 47, 50, 56, 57, 60, 81, 115), 404),
    **dict.fromkeys((164, 497, 516), 403),
    **dict.fromkeys((159, 160, 209), 408),
    **dict.fromkeys((NOT_IMPLEMENTED, 344), 501),
    202: 503,
    229: 413,
}
_CONTENT_TYPES = {
    **dict.fromkeys(("JSON", "JSONCompact", "JSONStrings"), "application/json; charset=UTF-8"),
    **dict.fromkeys(("JSONEachRow", "NDJSON", "JSONLines"), "application/x-ndjson; charset=UTF-8"),
    **dict.fromkeys(("CSV", "CSVWithNames"), "text/csv; charset=UTF-8"),
    **dict.fromkeys(("TabSeparated", "TSV"), "text/tab-separated-values; charset=UTF-8"),
    **dict.fromkeys(("Native", "RowBinary", "Arrow", "Parquet"), "application/octet-stream"),
}


@dataclass(frozen=True)
class Said:
    """What a request says: its fields (of URL and form), its body, whether it may change anything."""

    fields: Mapping[str, str]
    body: bytes = b""
    read_only: bool = False
    format: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer in HTTP's terms, before compression."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")


def call_of(said: Said) -> Call:
    """The statement that a request asks for, with its database, parameters and settings.

    Raises `Fault` as the server would: for no statement or several, and for what is not there.
    """
    if said.fields.get("compress", "0") not in ("", "0") or said.fields.get("decompress", "0") not in (
        "",
        "0",
    ):
        raise _refused(NOT_IMPLEMENTED, "compress= and decompress= are not there, use HTTP's own compression")
    query = said.fields.get("query", "").encode()
    text = b"\n".join((query, said.body)) if query and said.body else query or said.body
    try:
        statement = read(text)
    except Unreadable as error:
        raise _refused(SYNTAX_ERROR, str(error)) from None
    settings = {
        name: value
        for name, value in said.fields.items()
        if name not in _OF_THE_TRANSPORT and not name.startswith("param_")
    }
    if said.read_only:
        settings["readonly"] = "2"
    return Call(
        statement=statement,
        database=said.fields.get("database", ""),
        format=said.fields.get("default_format") or said.format or "TabSeparated",
        parameters={n.removeprefix("param_"): v for n, v in said.fields.items() if n.startswith("param_")},
        settings=settings,
    )


def _refused(code: int, why: str) -> Fault:
    name = {SYNTAX_ERROR: "SYNTAX_ERROR", NOT_IMPLEMENTED: "NOT_IMPLEMENTED"}[code]
    return Fault(code, f"Code: {code}. DB::Exception: {why}. ({name})")


def reply_to(call: Call, answer: Answer) -> Reply:
    """The rows, with the form they have (a statement without rows names none) and the summary."""
    headers = {"X-ClickHouse-Summary": _summary(answer)}
    if isinstance(call.statement, Statement) and call.statement.answers:
        form = call.statement.format or call.format
        headers["X-ClickHouse-Format"] = form
        headers["Content-Type"] = _CONTENT_TYPES.get(form, "text/plain; charset=UTF-8")
    return Reply(200, headers, answer.body)


def reply_of_fault(fault: Fault, version: str) -> Reply:
    """The error as a server sends it: its text, its code in a header, the HTTP status of the code."""
    text = str(fault)
    if "(version " not in text:
        text = f"{text} (version {version})"
    headers = {
        "X-ClickHouse-Exception-Code": str(fault.code),
        "Content-Type": "text/plain; charset=UTF-8",
    }
    return Reply(_STATUS_OF_CODE.get(fault.code, 500), headers, text.encode() + b"\n")


def _summary(answer: Answer) -> str:
    counts = {
        "read_rows": answer.read_rows,
        "read_bytes": answer.read_bytes,
        "written_rows": answer.written_rows,
        "written_bytes": answer.written_bytes,
        "elapsed_ns": answer.elapsed_ns,
    }
    return orjson.dumps({name: str(value) for name, value in counts.items()}).decode()
