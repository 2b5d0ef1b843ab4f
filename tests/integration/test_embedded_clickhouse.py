"""The embedded ClickHouse answers as a server does, starts and stops in order, and leaves nothing behind."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import clickhouse_connect
import psutil
import pytest

from tests.clickhouse import start_clickhouse, stop_clickhouse

pytestmark = pytest.mark.chdb


@pytest.fixture
async def http(clickhouse_url: str) -> AsyncIterator[Endpoint]:
    """A plain HTTP client in a fresh database."""
    address, name = clickhouse_url.rsplit("/", 1)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        endpoint = Endpoint(session, address.replace("default:@", ""), name)
        await endpoint.post(f"CREATE DATABASE {name}", database="default")
        yield endpoint


class Endpoint:
    """What curl would send."""

    def __init__(self, session: aiohttp.ClientSession, address: str, name: str) -> None:
        self._session = session
        self.address = address
        self._name = name

    async def post(
        self, body: str | bytes = "", headers: dict[str, str] | None = None, **fields: str
    ) -> tuple[int, dict[str, str], bytes]:
        return await self.ask("POST", body, headers, **fields)

    async def ask(
        self, method: str, body: str | bytes = "", headers: dict[str, str] | None = None, **fields: str
    ) -> tuple[int, dict[str, str], bytes]:
        fields = {"database": self._name, **fields}
        async with self._session.request(
            method, self.address, data=body, headers=headers, params=fields
        ) as response:
            return response.status, dict(response.headers), await response.read()


async def test_it_answers_a_ping(http: Endpoint) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{http.address}/ping") as response:
        assert (response.status, await response.text()) == (200, "Ok.\n")
    assert (await http.ask("GET"))[2] == b"Ok.\n"


async def test_an_answer_has_the_form_that_was_asked_for(http: Endpoint) -> None:
    status, headers, body = await http.post("SELECT 1 AS a, 'x' AS b")
    assert (status, headers["X-ClickHouse-Format"], body) == (200, "TabSeparated", b"1\tx\n")
    _, headers, body = await http.post("SELECT 1 AS a FORMAT JSONEachRow")
    assert (headers["Content-Type"].split(";")[0], body) == ("application/x-ndjson", b'{"a":1}\n')
    _, _, body = await http.post("SELECT 1 AS a", default_format="JSONEachRow")
    assert body == b'{"a":1}\n'
    _, _, body = await http.post("SELECT 1 AS a", headers={"X-ClickHouse-Format": "CSVWithNames"})
    assert body == b'"a"\n1\n'
    _, headers, body = await http.post("CREATE TABLE t (a UInt8) ENGINE = Memory")
    assert ("X-ClickHouse-Format" in headers, body) == (False, b"")


async def test_the_query_may_stand_in_the_url_and_its_data_in_the_body(http: Endpoint) -> None:
    await http.post("CREATE TABLE t (a UInt8, s String) ENGINE = Memory")
    _, headers, _ = await http.post("1\tx\n2\t;\n", query="INSERT INTO t FORMAT TSV")
    assert '"written_rows":"2"' in headers["X-ClickHouse-Summary"]
    packed = gzip.compress(b"3,y\n")
    await http.post(packed, headers={"Content-Encoding": "gzip"}, query="INSERT INTO t FORMAT CSV")
    await http.post("INSERT INTO t VALUES (4, 'z'), (5, '\\n')")
    await http.post("INSERT INTO t SELECT 6, 'from a query'")
    _, _, body = await http.ask("GET", query="SELECT a, s FROM t ORDER BY a FORMAT TSV")
    assert body == b"1\tx\n2\t;\n3\ty\n4\tz\n5\t\\n\n6\tfrom a query\n"


async def test_a_get_changes_nothing(http: Endpoint) -> None:
    status, headers, _ = await http.ask("GET", query="CREATE TABLE t (a UInt8) ENGINE = Memory")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (403, "164")


async def test_parameters_are_bound_and_never_read_as_sql(http: Endpoint) -> None:
    sql = "SELECT {x:String}, {y:Nullable(String)}, {z:Array(UInt8)} FORMAT JSONCompactEachRow"
    odd = "a'; DROP TABLE t --"
    _, _, body = await http.post(sql, param_x=odd, param_y="\\N", param_z="[1,2]")
    assert body == b'["a\'; DROP TABLE t --", null, [1,2]]\n'


async def test_settings_and_databases_of_one_request_do_not_reach_another(http: Endpoint) -> None:
    sql = "SELECT getSetting('max_threads') = 3, currentDatabase() = 'default'"
    assert (await http.post(sql, max_threads="3"))[2] == b"1\t0\n"
    assert (await http.post(sql, database="default"))[2] == b"0\t1\n"


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELECT", 400, 62, "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR"),
        ("SELECT * FROM nowhere", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT nothing", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT {x:String}", 400, 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("INSERT INTO nowhere FORMAT CSV\n1", 404, 60, "UNKNOWN_TABLE"),
        ("CREATE USER me", 403, 497, "ACCESS_DENIED"),
    ],
)
async def test_an_error_comes_as_from_a_server(
    http: Endpoint, sql: str, status: int, code: int, name: str
) -> None:
    found, headers, body = await http.post(sql)
    assert (found, headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())
    assert f"({name})".encode() in body
    assert b"(version " in body


async def test_an_unknown_setting_and_database_are_errors(http: Endpoint) -> None:
    assert (await http.post("SELECT 1", no_such_setting="1"))[1]["X-ClickHouse-Exception-Code"] == "115"
    assert (await http.post("SELECT 1", None, **{"a b": "1"}))[1]["X-ClickHouse-Exception-Code"] == "115"
    assert (await http.post("SELECT 1", database="nowhere"))[1]["X-ClickHouse-Exception-Code"] == "81"
    assert (await http.post("SELECT 1", compress="1"))[1]["X-ClickHouse-Exception-Code"] == "48"


async def test_an_insert_that_breaks_a_rule_of_the_table_fails(http: Endpoint) -> None:
    await http.post("CREATE TABLE t (a UInt8, CONSTRAINT c CHECK a != 5) ENGINE = Memory")
    status, headers, _ = await http.post("INSERT INTO t FORMAT CSV\n4\n5\n")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (500, "469")
    assert (await http.post("SELECT count() FROM t"))[2] == b"0\n"


async def test_a_time_limit_ends_a_query(http: Endpoint) -> None:
    sql = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1"
    status, headers, _ = await http.post(sql, max_execution_time="0.2")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (408, "159")


async def test_an_answer_is_compressed_when_the_client_asks(http: Endpoint) -> None:
    sql = "SELECT repeat('x', 1000)"
    plain = b"x" * 1000 + b"\n"
    for name, unpack in (("gzip", gzip.decompress), ("deflate", zlib.decompress)):
        headers = {"Accept-Encoding": name}
        _, told, body = await http.post(sql, headers=headers, enable_http_compression="1")
        assert (told["Content-Encoding"], unpack(body)) == (name, plain)
    _, told, body = await http.post(sql, headers={"Accept-Encoding": "gzip"})
    assert ("Content-Encoding" in told, body) == (False, plain)


@pytest.mark.parametrize("compress", [False, True, "gzip", "zstd"])
async def test_clickhouse_connect_reads_back_what_it_writes(
    clickhouse_url: str, compress: bool | str
) -> None:
    address, name = clickhouse_url.rsplit("/", 1)
    rows = [(n, f"text {n}\n", None if n % 2 else n / 3, {"k": "\x00"}) for n in range(70_000)]
    async with await clickhouse_connect.get_async_client(dsn=address, compress=compress) as client:
        await client.command(f"CREATE DATABASE {name}")
        client.database = name
        await client.command(
            "CREATE TABLE t (n UInt32, s LowCardinality(String), f Nullable(Float64), m Map(String, String)) "
            "ENGINE = MergeTree ORDER BY n"
        )
        summary = await client.insert("t", rows, column_names=["n", "s", "f", "m"])
        assert summary.written_rows == 70_000
        assert (await client.query("SELECT * FROM t ORDER BY n")).result_rows == rows
        assert await client.command("SELECT count() FROM t") == 70_000
        sql = "SELECT s FROM t WHERE n = {n:UInt32}"
        assert (await client.query(sql, parameters={"n": 7})).result_rows == [("text 7\n",)]
        assert (await client.query("SELECT n, s FROM t LIMIT 0")).column_names == ("n", "s")
        assert await client.ping()
        long = "x" * 100_000
        assert (await client.query("SELECT length({x:String})", parameters={"x": long})).result_rows == [
            (100_000,)
        ]


async def test_the_data_is_there_after_a_restart(tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    for wanted in (b"1\n", b"2\n"):
        process, address = start_clickhouse("--data", folder)
        async with aiohttp.ClientSession() as session:
            for sql in (
                "CREATE TABLE IF NOT EXISTS t (a UInt8) ENGINE = MergeTree ORDER BY a",
                "INSERT INTO t VALUES (1)",
            ):
                async with session.post(address, data=sql) as response:
                    assert response.status == 200
            async with session.post(address, data="SELECT count() FROM t") as response:
                assert await response.read() == wanted
        assert stop_clickhouse(process) == 0


async def test_it_runs_inside_another_process_too() -> None:
    child = subprocess.run(
        [sys.executable, "-c", _IN_PROCESS], capture_output=True, text=True, timeout=50, check=False
    )
    assert (child.returncode, child.stdout) == (0, "200 1\n"), child.stderr


_IN_PROCESS = """
import asyncio, urllib.request
from app.embedded.clickhouse import serve

async def main():
    async with serve() as address:
        def ask():
            with urllib.request.urlopen(address, data=b"SELECT 1") as answer:
                return answer.status, answer.read().decode().strip()
        print(*await asyncio.to_thread(ask))

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order_and_its_temporary_data_goes(number: signal.Signals) -> None:
    process, _ = start_clickhouse()
    (folder,) = _folders_of(process.pid)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert not Path(folder).exists()


def _folders_of(pid: int) -> set[str]:
    opened = (file.path for file in psutil.Process(pid).open_files())
    return {path[: path.index("/", 5)] for path in opened if "postbacks-clickhouse-" in path}


def test_it_ends_with_its_parent() -> None:
    script = (
        "import sys, time; sys.path[:0] = ['.']; from tests.clickhouse import start_clickhouse; "
        "process, _ = start_clickhouse(); print(process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    child.wait(timeout=30)
    assert not child.is_running()


def test_a_folder_or_port_in_use_is_named(tmp_path: Path) -> None:
    process, address = start_clickhouse("--data", str(tmp_path))
    try:
        for arguments, word in (
            (("--port", "0", "--data", str(tmp_path)), str(tmp_path)),
            (("--port", address.rsplit(":", 1)[1]), "choose another --port"),
        ):
            other = subprocess.run(
                [sys.executable, "-m", "app.embedded.clickhouse", *arguments],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert other.returncode == 1
            last = other.stderr.splitlines()[-1]  # chDB writes a line of its own before
            assert last.startswith("postbacks embedded clickhouse: ")
            assert word in last
            assert "Traceback" not in other.stderr
    finally:
        stop_clickhouse(process)


def test_without_chdb_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "chdb.py").write_text("raise ImportError('no chdb')\n")
    found = subprocess.run(
        [sys.executable, "-m", "app.embedded.clickhouse", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert found.returncode == 1
    assert "postbacks[embedded]" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_statement_that_runs_on_does_not_hold_up_a_stop() -> None:
    process, address = start_clickhouse()
    (folder,) = _folders_of(process.pid)
    curl = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], data=sys.argv[2].encode())"
    asked = subprocess.Popen(
        [
            sys.executable,
            "-c",
            curl,
            address,
            "SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size=1",
        ],
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.5)
    process.terminate()
    process.communicate(timeout=30)
    asked.wait(timeout=30)
    assert process.returncode == 0
    assert not Path(folder).exists()
