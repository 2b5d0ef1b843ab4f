"""ClickHouse for one machine: chDB behind a loopback endpoint that speaks ClickHouse's HTTP interface.

`postbacks embedded clickhouse --port 8123 --data DIR` runs it as a process of its own; `start` beside
another, `serve` inside it. So whatever talks to ClickHouse talks to this one through the same client. It has
no users: it listens on loopback only. What a client asks while a statement runs waits for that statement.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import importlib
import os
import signal
import sys
import tempfile
import uuid
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aiohttp import web

from app.embedded.child import HOST, Child, port_of, running
from app.embedded.engine import INSTALL, Engine, Fault
from app.embedded.http import Reply, Said, call_of, reply_of_fault, reply_to
from app.embedded.parent import end_with_parent
from app.kit.process import StartFault, told_to_stop

_MAX_BODY_BYTES = 1 << 30
_STOP_S = 10.0  # a stop that hangs for so long ends the process


@contextlib.asynccontextmanager
async def serve(port: int = 0, folder: Path | None = None) -> AsyncIterator[str]:
    """Run the endpoint in this process; yields its address, `http://127.0.0.1:PORT`.

    `port` 0 takes a free one; without a `folder` the data is kept in a temporary one and goes with it.
    Raises `StartFault` without chDB or when the folder is in use, `OSError` when the port is.
    """
    with contextlib.ExitStack() as kept:
        if folder is None:
            folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="postbacks-clickhouse-")))
        folder.mkdir(parents=True, exist_ok=True)
        engine = Engine(str(folder.resolve()))
        await engine.start()
        runner = web.AppRunner(_application(engine), access_log=None, shutdown_timeout=1.0)
        try:
            await runner.setup()
            site = web.TCPSite(runner, HOST, port)
            await site.start()
            yield f"http://{HOST}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
            await engine.stop()


@contextlib.asynccontextmanager
async def start(folder: Path, port: int = 0) -> AsyncIterator[tuple[str, Child]]:
    """Run the endpoint as a child process, which keeps this one's loop free; yields its address and it.

    Raises `StartFault` when it is not installed or the port is taken.
    """
    if find_spec("chdb") is None:
        raise StartFault(f"the embedded ClickHouse is not installed: {INSTALL}")
    port = port_of(port)
    command = ["-m", "app.embedded.clickhouse", "--with-parent", "--port", str(port), "--data", str(folder)]
    async with running("the embedded ClickHouse", command, port) as child:
        yield f"http://{HOST}:{port}", child


def _application(engine: Engine) -> web.Application:
    endpoint = _Endpoint(engine)
    application = web.Application(client_max_size=_MAX_BODY_BYTES)
    application.router.add_get("/ping", _ok)
    application.router.add_get("/replicas_status", _ok)
    application.router.add_route("*", "/", endpoint.answer)
    return application


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


class _Endpoint:
    """One request in, one statement, one answer out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def answer(self, request: web.Request) -> web.Response:
        said = await _said(request)
        if request.method == "GET" and not said.fields.get("query") and not said.body:
            return await _ok(request)
        try:
            call = call_of(said)
            reply = reply_to(call, await self._engine.run(call))
        except Fault as fault:
            reply = reply_of_fault(fault, self._engine.version)
        headers = {
            "X-ClickHouse-Server-Display-Name": "embedded",
            "X-ClickHouse-Query-Id": said.fields.get("query_id") or str(uuid.uuid4()),
            "X-ClickHouse-Timezone": self._engine.timezone,
            **reply.headers,
        }
        wanted = request.headers.get("Accept-Encoding", "") if _compresses(said.fields) else ""
        body, encoding = _compressed(reply, wanted)
        if encoding:
            headers["Content-Encoding"] = encoding
        return web.Response(status=reply.status, headers=headers, body=body)


async def _said(request: web.Request) -> Said:
    """The request with the fields of its URL and of a multipart form, and its body unpacked."""
    fields = dict(request.query)
    body = b""
    if request.content_type == "multipart/form-data":
        form = await request.post()
        fields |= {name: value for name, value in form.items() if isinstance(value, str)}
    else:
        body = _unpacked(await request.read(), request.headers.get("Content-Encoding", ""))
    wanted_format = request.headers.get("X-ClickHouse-Format", "")
    return Said(fields, body, request.method in ("GET", "HEAD"), wanted_format)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body's bytes; gzip, deflate, br and zstd are unpacked by aiohttp before it is read."""
    if encoding != "lz4" or not body:
        return body
    try:
        return bytes(_lz4().decompress(body))
    except RuntimeError as error:
        raise web.HTTPBadRequest(text=f"the body is no LZ4 frame: {error}") from None


def _lz4() -> Any:
    return importlib.import_module("lz4.frame")  # without types; comes with clickhouse-connect


def _compresses(fields: Mapping[str, str]) -> bool:
    return fields.get("enable_http_compression", "0") not in ("", "0", "false")


def _compressed(reply: Reply, accepted: str) -> tuple[bytes, str]:
    """The body in the first encoding of the client's list that we write, and its name (empty: as it is)."""
    for name in (part.split(";")[0].strip() for part in accepted.split(",")):
        if name == "lz4":
            return bytes(_lz4().compress(reply.body)), name
        if name == "gzip":
            return gzip.compress(reply.body, 1), name
        if name == "deflate":
            return zlib.compress(reply.body, 1), name
    return reply.body, ""


def main(argv: Sequence[str]) -> int:
    """`postbacks embedded clickhouse`: run until SIGTERM or SIGINT; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="postbacks embedded clickhouse",
        description="ClickHouse (chDB) for one machine, on loopback.",
        epilog="Example: postbacks embedded clickhouse --port 8123 --data .postbacks/clickhouse",
    )
    parser.add_argument("--port", type=int, default=8123, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--data", type=Path, help="folder of the data; without it a temporary one")
    parser.add_argument("--with-parent", action="store_true", help="stop when the starting process ends")
    options = parser.parse_args(argv)
    try:
        if options.with_parent:
            end_with_parent(os.getppid(), signal.SIGTERM)
        asyncio.run(_run(options.port, options.data))
    except (StartFault, OSError) as error:
        print(f"postbacks embedded clickhouse: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(port: int, folder: Path | None) -> None:
    stop = told_to_stop()
    async with serve(port_of(port), folder) as address:
        print(f"ClickHouse listens on {address} (chDB, {folder or 'temporary data'})", flush=True)
        await stop.wait()
        asyncio.get_running_loop().call_later(_STOP_S, os._exit, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
