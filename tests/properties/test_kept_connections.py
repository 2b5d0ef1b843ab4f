"""On a kept connection no answer is taken for that of another request, whatever a receiver writes between."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.secrets import Secrets
from app.outbound.answers import Answer
from app.outbound.connections import tls_context
from app.outbound.courier import Courier
from tests.outbound import LOOPBACK, request
from tests.receivers import Exchange, Receiver

_TLS = tls_context()
_STALE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale"
_PIECES = (
    *(_STALE, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
    *(b"\r\n", b"\n", b"\r\n\r\n", b"0\r\n\r\n", b"5\r\nstale\r\n", b"HT", b"HTTP/1.1 200 OK\r\nX: "),
)
_garbage = st.one_of(
    st.binary(max_size=40),
    st.integers(0, len(_STALE)).map(lambda end: _STALE[:end]),
    st.lists(
        st.sampled_from(_PIECES),
        max_size=4,
    ).map(b"".join),
)


@dataclass(frozen=True)
class Turn:
    """How one request is answered: by `frame`, `glued` in the same piece, `later` by itself, then `unread`.

    `unread` reaches the sender's system, and no turn of the loop comes before the next request.
    """

    frame: str
    glued: bytes = b""
    later: bytes = b""
    unread: bytes = b""
    closes: bool = False


_turns = st.lists(
    st.builds(
        Turn,
        st.sampled_from(["length", "chunks", "none", "trailer"]),
        st.one_of(st.just(b""), _garbage),
        st.one_of(st.just(b""), _garbage),
        st.one_of(st.just(b""), _garbage),
        st.sampled_from([False, False, False, True]),
    ),
    min_size=2,
    max_size=6,
)


def _answer(frame: str, body: bytes) -> bytes:
    if frame == "length":
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    if frame == "none":
        return b"HTTP/1.1 204 No Content\r\nX-Said: %s\r\n\r\n" % body
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(body), body)
    return head + (b"X: y\r\n\r\n" if frame == "trailer" else b"\r\n")


async def _each_has_its_own(turns: list[Turn]) -> None:
    async def play(exchange: Exchange) -> None:
        target = exchange.received.target
        turn = turns[int(target[1:])]
        exchange.keep_open = not turn.closes
        await exchange.write(_answer(turn.frame, target) + turn.glued)
        if turn.later:
            await exchange.write(turn.later)
        played.set_result(exchange)

    async with Receiver(play) as receiver, Courier(Secrets({}), LOOPBACK.open_socket, tls=_TLS) as courier:
        for number in range(len(turns)):
            played = asyncio.get_running_loop().create_future()
            said = await courier.send(request(receiver.url(f"/{number}")))
            exchange = await played
            assert isinstance(said, Answer), said
            assert f"/{number}" in (said.body.decode(), said.header("X-Said"))
            if turns[number].unread and not turns[number].closes:
                with contextlib.suppress(OSError):  # it is given up already
                    os.write(exchange.writer.get_extra_info("socket").fileno(), turns[number].unread)
        assert [int(seen.target[1:]) for seen in receiver.requests] == list(range(len(turns)))


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@settings(deadline=None, max_examples=150)
@given(turns=_turns)
def test_no_request_gets_what_was_written_before_it(
    new_loop: Callable[[], asyncio.AbstractEventLoop], turns: list[Turn]
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_each_has_its_own(turns))
