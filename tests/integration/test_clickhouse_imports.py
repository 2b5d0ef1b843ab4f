"""What the first insert imports holds up every send of the process."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.clickhouse import Database

_INSERT = """
import asyncio, sys
from app.log.writer import connect

async def main():
    client = await connect(sys.argv[1])
    await client.command("CREATE TABLE numbers (n UInt8) ENGINE = Memory")
    await client.insert("numbers", [(1,)], ["n"])
    print((await client.query("SELECT n FROM numbers")).result_rows)
    await client.close()
    print({"pandas", "numpy"} & sys.modules.keys())

asyncio.run(main())
"""


@pytest.mark.chdb
def test_writing_and_reading_rows_imports_neither_pandas_nor_numpy(clickhouse: Database) -> None:
    assert find_spec("pandas"), "chDB brings it: without it this test shows nothing"
    command = [sys.executable, "-c", _INSERT, clickhouse.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[(1,)]\nset()\n", "")
