"""Read just enough of an SQL text to hand it to the embedded engine the right way. Pure.

ClickHouse's HTTP interface takes the data of an INSERT behind its SQL in the same body, and the form of an
answer from the SQL's own FORMAT clause. The engine wants these told apart: SQL with megabytes of data
inside is cut off at its `max_query_size` (256 KiB). So the text is walked over once; comments, quoted
texts and brackets are stepped over, and the words between them decide.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""
      (?P<skip>   \s+ | --[^\n]* | /\*.*?\*/ )
    | (?P<quoted> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*` | (?P<tag>\$\w*\$).*?(?P=tag) )
    | (?P<word>   [A-Za-z0-9_.]+ )
    | (?P<sign>   . )
    """,
    re.VERBOSE | re.DOTALL,
)
_AFTER_FORMAT = re.compile(rb"[ \t\f]*(?:;[ \t\f]*)?(?:\r?\n)?")  # as ClickHouse's ParserInsertQuery
_ANSWERING = {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK", "FROM"}
_ROWS_FROM_ELSEWHERE = {"SELECT", "WITH", "WATCH", "FROM"}


class Unreadable(ValueError):
    """The text is not one statement; the message says why, in ClickHouse's words."""


@dataclass(frozen=True)
class Insert:
    """An INSERT that brings its data; `sql` ends with the columns, `settings` is its SETTINGS clause."""

    sql: str
    settings: str
    format: str
    data: bytes

    def from_file(self, path: str) -> str:
        """The same statement with its data in a file."""
        place = path.replace("\\", "\\\\").replace("'", "\\'")
        return f"{self.sql} FROM INFILE '{place}' COMPRESSION 'none' {self.settings} FORMAT {self.format}"


@dataclass(frozen=True)
class Statement:
    """Any other statement. `format` is that of its FORMAT clause; `answers` says whether it returns rows."""

    sql: str
    format: str | None
    answers: bool


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str  # a word in upper case, a sign as it is, else empty
    depth: int
    start: int
    end: int


def read(text: bytes) -> Insert | Statement:
    """Tell an INSERT that brings its data from every other statement.

    Raises `Unreadable` for no statement, for several in one text, and for what is not UTF-8.
    """
    try:
        return _insert(text) or _statement(text)
    except UnicodeDecodeError as error:
        raise Unreadable(f"Syntax error: not UTF-8 at position {error.start}") from None


def _insert(text: bytes) -> Insert | None:
    """The parts of an INSERT; None for another statement, or when the rows come from a query or a file."""
    settings_at = format_at = -1
    for place, word in enumerate(_top_words(text)):
        if place == 0 and word.text != "INSERT":
            return None
        if format_at >= 0:
            after = _AFTER_FORMAT.match(text, word.end)
            name, data = text[word.start : word.end].decode(), text[after.end() if after else word.end :]
            return _parts(text[:format_at], settings_at, name, data)
        if word.text in _ROWS_FROM_ELSEWHERE:
            return None
        if word.text == "VALUES":
            return _parts(text[: word.start], settings_at, "Values", text[word.end :])
        if word.text == "SETTINGS":
            settings_at = word.start
        if word.text == "FORMAT":
            format_at = word.start
    return None


def _parts(head: bytes, settings_at: int, form: str, data: bytes) -> Insert:
    cut = settings_at if settings_at >= 0 else len(head)
    return Insert(head[:cut].decode(), head[cut:].decode(), form, data)


def _statement(text: bytes) -> Statement:
    tokens = list(_tokens(text))
    ends = next((at for at, token in enumerate(tokens) if token.text == ";" and not token.depth), len(tokens))
    if not ends:
        raise Unreadable("Syntax error: Empty query")
    if any(token.text != ";" for token in tokens[ends:]):
        raise Unreadable("Syntax error (Multi-statements are not allowed)")
    form = None
    words = [token for token in tokens if token.kind == "word"]
    for before, word in itertools.pairwise(words):
        if before.text == "FORMAT" and not before.depth:
            form = text[word.start : word.end].decode()
    answers = form is not None or bool(words and words[0].text in _ANSWERING)
    return Statement(text.decode(), form, answers)


def _top_words(text: bytes) -> Iterator[_Token]:
    return (token for token in _tokens(text) if token.kind == "word" and not token.depth)


def _tokens(text: bytes) -> Iterator[_Token]:
    """The tokens without comments and white space, read as far as they are asked for."""
    depth = 0
    for match in _TOKEN.finditer(text):
        kind = "quoted" if match.lastgroup == "tag" else match.lastgroup or ""
        if kind == "skip":
            continue
        shown = match[0].decode("latin-1").upper() if kind in ("word", "sign") else ""
        if kind == "sign" and shown in ")]}":
            depth = max(depth - 1, 0)
        yield _Token(kind, shown, depth, match.start(), match.end())
        if kind == "sign" and shown in "([{":
            depth += 1
