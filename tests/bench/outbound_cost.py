"""What one delivery costs OUTBOUND: CPU µs from the taken record to the ack, Kafka left out.

    .venv/bin/python -m tests.bench.outbound_cost [--deliveries 20000] [--of outbound|courier] [--profile]

The role is the real one, on uvloop, with guard, secrets, per-host limits, rows, masks and metrics at work. In
place of Kafka stand a producer that acknowledges in the next turn of the loop and a consumer that only notes
what it may commit. The receiver is a process of its own, whose CPU does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import ipaddress
import logging
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec
import uvloop
from faust.types import TP

from app.kit.clock import now_ms
from app.kit.logs import configure
from app.kit.metrics import PUT_OFF
from app.kit.process import collect_rarely
from app.kit.secrets import Secrets
from app.messages.envelope import MAX_VALUES, pack
from app.messages.request import Delivery, Origin, Request, Tags
from app.outbound.agent import Outbound
from app.outbound.answers import Answer
from app.outbound.courier import Courier
from app.outbound.guard import Guard
from app.outbound.memory import Memory
from app.settings import Settings, load
from app.stream.faust_app import new_app
from app.templates.text import Slot, Text

_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_SAID = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nOK"
)
_MOST_OPEN = 512  # requests that OUTBOUND holds: what is beyond a host's bound would be put off


class _Receiver(asyncio.Protocol):
    """Says 200 to each request, once its head and as much of a body as Content-Length says are here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._held = b""

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n") + 4) > 3:
            _, found, length = self._held[:end].partition(b"Content-Length: ")
            whole = end + (int(length.partition(b"\r")[0]) if found else 0)
            if len(self._held) < whole:
                return
            self._held = self._held[whole:]
            self._transport.write(_SAID)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Receiver, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def receiver() -> Iterator[int]:
    """The port of a receiver in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.outbound_cost", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def request(number: int, port: int, kind: str) -> Request:
    """A request as JOIN renders it: a link with seven macros, with a secret, or with a form."""
    lead = f"L-{number:08d}"
    pairs = f"click=c{number:08d}&status=approve&payout=12.5&lead={lead}&src=fb&camp=Summer%20UA&t=1764000000"
    link: Text = f"http://127.0.0.1:{port}/pb?{pairs}"
    headers: dict[str, Text] = {}
    body: Text | None = None
    if kind == "secret":
        link = [f"{link}&sign=", Slot("fb", "pair")]
        headers = {"Authorization": ["Bearer ", Slot("fb", "header")]}
    elif kind == "post":
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        link, body = f"http://127.0.0.1:{port}/pb", pairs
    at_ms = now_ms()
    return Request(
        request_id=f"{number:032x}",
        method="GET" if body is None else "POST",
        host="127.0.0.1",
        link=link,
        headers=headers,
        body=body,
        origin=Origin(
            event_id=f"e-{number:08d}",
            lead_id=lead,
            lead_seq=1,
            flow_id="F-7",
            flow_version=12,
            postback_id="fb",
            event="approve",
            requested_at=at_ms,
            occurred_at=at_ms,
            lead_flow_id="F-7",
            click_id=f"c{number:08d}",
            price=12.5,
            currency="usd",
            geo="UA",
            tags=Tags(utm_source="fb", utm_campaign="Summer UA"),
        ),
        due_at=at_ms,
        delivery=Delivery(tokens=()),
    )


class _Acks:
    """Kafka's producer as far as OUTBOUND needs it here."""

    def post(self, *_: Any) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        ack = loop.create_future()
        loop.call_soon(ack.set_result, None)
        return ack

    async def send(self, *_: Any, **__: Any) -> asyncio.Future[Any]:
        return self.post()


class _Consumer:
    """Faust's consumer likewise."""

    def __init__(self) -> None:
        self.released: dict[Any, int] = {}

    def assignment(self) -> set[Any]:
        return set()

    def release(self, tp: Any, offset: int) -> None:
        self.released[tp] = offset

    def on_buffer_full(self, tp: Any) -> None:
        pass

    on_buffer_drop = on_buffer_full


class _Record:
    """A record of postback-requests as the consumer hands it over."""

    key = b"L"
    headers = ()

    def __init__(self, offset: int, value: bytes) -> None:
        self.offset, self.value = offset, value
        self.timestamp = time.time_ns() // 1_000_000


def new_role(settings: Settings) -> Outbound:
    """OUTBOUND with nothing of Kafka behind it."""
    app = new_app(settings, "outbound", settings.data_dir)
    app._consumer = app.consumer = _Consumer()
    secrets = Secrets({"POSTBACKS_SECRET_FB": "a-secret-of-some-length"})
    producer: Any = _Acks()
    role = Outbound(settings, app, producer, secrets, Courier(secrets, Guard([_LOOPBACK]).open_socket))
    role._parking.ready.set()
    role._erasures.ready.set()
    return role


Run = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]


async def through_outbound(count: int, kind: str, port: int, begin: Callable[[], None]) -> None:
    """Deliver `count` requests that lie in envelopes of 32."""
    settings = load({"POSTBACKS_WORKER": "bench", "POSTBACKS_DATA_DIR": tempfile.mkdtemp()})
    role = new_role(settings)
    tp = TP(settings.topics.requests.name, 0)
    role._memories[0] = Memory()
    encoded = [msgspec.json.encode(request(number, port, kind)) for number in range(count)]
    records = [_Record(offset, value) for offset, (value, _) in enumerate(pack(encoded))]
    running = asyncio.create_task(role._run())
    await asyncio.sleep(0.1)
    begin()
    for fed, record in enumerate(records):
        role._intake.receive(tp, [record])
        while fed * MAX_VALUES - role.app.finished[tp] > _MOST_OPEN:
            await asyncio.sleep(0.001)
    while role.app.finished[tp] < count:
        await asyncio.sleep(0.001)
        if running.done():
            running.result()
    assert not PUT_OFF.labels("queue")._value.get()
    assert role.app.consumer.released[tp] == len(records)
    running.cancel()
    await asyncio.wait((running,))


async def through_courier(count: int, kind: str, port: int, begin: Callable[[], None]) -> None:
    """Send `count` requests, 32 at a time."""
    secrets = Secrets({"POSTBACKS_SECRET_FB": "a-secret-of-some-length"})
    requests = [request(number, port, kind) for number in range(count)]
    left = iter(requests)

    async def some() -> None:
        for one in left:
            assert isinstance(await courier.send(one), Answer)

    async with Courier(secrets, Guard([_LOOPBACK]).open_socket) as courier:
        begin()
        await asyncio.gather(*(some() for _ in range(32)))


_OF = {"outbound": through_outbound, "courier": through_courier}


def cpu_us(of: str, count: int, kind: str, port: int, profile: cProfile.Profile | None = None) -> float:
    """CPU µs a delivery, user and system, of this process."""
    began = 0.0

    def begin() -> None:
        nonlocal began
        if profile is not None:
            profile.enable()
        began = time.process_time()

    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_OF[of](count, kind, port, begin))
    took = time.process_time() - began
    if profile is not None:
        profile.disable()
    return took / count * 1e6


def main() -> None:
    """Print the lowest of three runs for each kind of request, or the profile of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--of", choices=_OF, default=None)
    parser.add_argument("--kind", choices=("plain", "secret", "post"), default=None)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_serve())
    configure("json", "info")
    logging.getLogger("faust").setLevel(logging.ERROR)
    collect_rarely()
    with receiver() as port:
        for of in (given.of,) if given.of else _OF:
            for kind in (given.kind,) if given.kind else ("plain", "secret", "post"):
                if given.profile:
                    profile = cProfile.Profile()
                    cpu_us(of, given.deliveries, kind, port, profile)
                    pstats.Stats(profile).sort_stats("tottime").print_stats(45)
                    continue
                runs = [cpu_us(of, given.deliveries, kind, port) for _ in range(given.runs)]
                print(f"{of:9} {kind:7} {min(runs):6.1f} CPU µs a delivery", flush=True)


if __name__ == "__main__":
    main()
