"""chDB on one thread: what a ClickHouse server does for one HTTP request, for one statement.

A process holds one data folder. Every call gets a connection of its own (half a millisecond), so that the
database, settings and parameters of one never reach another; an anchor connection keeps the engine up in
between, and with it its background work (merges, refreshable views).
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from app.embedded.sql import Insert, Statement
from app.kit.process import StartFault

STD_EXCEPTION = 1001  # ClickHouse's code for an error that has none
INSTALL = (
    "it comes with the extra `embedded`: pip install 'postbacks[embedded]' "
    "(in a checkout: uv sync --extra embedded)"
)
_GRACE_S = 1.0
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CODE = re.compile(r"Code: (\d+)")


class Fault(Exception):
    """ClickHouse refused; `code` is its error code, the text is `Code: 60. DB::Exception: …`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Call:
    """One statement with what the request said about it. `parameters` fill `{name:Type}`."""

    statement: Insert | Statement
    database: str = ""
    format: str = "TabSeparated"
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The bytes of the answer and what was read or written, as `X-ClickHouse-Summary` counts it."""

    body: bytes = b""
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_ns: int = 0


class Engine:
    """One chDB on one thread of its own."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chdb")
        self._chdb: Any = None
        self._anchor: Any = None
        self.version = ""
        self.timezone = ""

    async def start(self) -> None:
        """Open the data folder. Raises `StartFault`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def run(self, call: Call) -> Answer:
        """Run one statement after those that were asked for before. Raises `Fault`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, call)

    async def stop(self) -> None:
        """Close the data folder; a statement that goes on for longer than a second is ended."""
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        if not (await asyncio.wait([closing], timeout=_GRACE_S))[0]:
            await asyncio.to_thread(self._end_statements)
        await closing
        self._thread.shutdown()

    def _end_statements(self) -> None:
        connection = self._chdb.connect(self._folder)
        try:
            connection.query("KILL QUERY WHERE query NOT LIKE 'KILL QUERY%' ASYNC")
        finally:
            connection.close()

    def _open(self) -> None:
        try:
            import chdb
        except ImportError:
            raise StartFault(f"the embedded ClickHouse is not installed: {INSTALL}") from None
        self._chdb = chdb
        try:
            self._anchor = chdb.connect(self._folder)
        except Exception as error:
            raise StartFault(
                f"the data folder {self._folder} cannot be used: {' '.join(str(error).split())}. "
                "One process holds one folder: stop the other, or name another with --data"
            ) from None
        shown = self._anchor.query("SELECT version(), timezone()", "TabSeparated").bytes().decode()
        self.version, self.timezone = shown.strip().split("\t")

    def _close(self) -> None:
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    def _run(self, call: Call) -> Answer:
        connection = self._chdb.connect(self._folder)
        try:
            if call.database:
                connection.query(f"USE {quoted_name(call.database)}")
            if call.settings:
                connection.query(_set(call.settings))
            if isinstance(call.statement, Insert):
                return _insert(connection, call.statement)
            return _query(connection, call.statement, call.format, dict(call.parameters))
        except Fault:
            raise
        except Exception as error:  # chDB's errors share no class: text is all they have
            raise _fault(str(error)) from None
        finally:
            connection.close()


def _insert(connection: Any, insert: Insert) -> Answer:
    """Insert through a file: chDB's `send_insert` says nothing when a constraint or a view fails."""
    with tempfile.NamedTemporaryFile(prefix="postbacks-insert-") as file:
        file.write(insert.data)
        file.flush()
        done = connection.query(insert.from_file(file.name))
    return Answer(
        written_rows=done.rows_read(),
        written_bytes=done.bytes_read(),
        elapsed_ns=int(done.elapsed() * 1e9),
    )


def _query(connection: Any, statement: Statement, form: str, parameters: dict[str, str]) -> Answer:
    done = connection.query(statement.sql, statement.format or form, params=parameters)
    return Answer(
        body=done.bytes() or b"",
        read_rows=done.rows_read(),
        read_bytes=done.bytes_read(),
        elapsed_ns=int(done.elapsed() * 1e9),
    )


def quoted_name(name: str) -> str:
    """A database's or table's name as SQL, whatever is in it."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _set(settings: Mapping[str, str]) -> str:
    for name in settings:
        if not _SETTING.fullmatch(name):
            raise _fault(f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)")
    # A quoted value is turned into the setting's own type; a bare number would not become a text
    pairs = (f"{name} = '{_escaped(value)}'" for name, value in settings.items())
    return "SET " + ", ".join(pairs)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _fault(text: str) -> Fault:
    """The error as the server words it: from its code on."""
    found = _CODE.search(text)
    if found is None:
        return Fault(STD_EXCEPTION, f"Code: {STD_EXCEPTION}. DB::Exception: {text} (STD_EXCEPTION)")
    return Fault(int(found[1]), text[found.start() :].strip())
