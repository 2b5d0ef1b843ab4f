"""Cutting what arrives from Kafka into frames."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stream.frames import Frames, wait_for


class _Connection:
    """Keeps the frames that it is given, and is closed after `most` of them."""

    def __init__(self, most: int = 1_000) -> None:
        self.frames: list[bytes] = []
        self.most = most

    def connected(self) -> bool:
        return len(self.frames) < self.most

    def _handle_frame(self, frame: bytes) -> None:
        self.frames.append(frame)


def _frames(connection: Any) -> Frames:
    loop = asyncio.new_event_loop()
    try:
        frames = Frames(loop.create_future(), asyncio.StreamReader(loop=loop), loop=loop)
    finally:
        loop.close()
    frames.connection = lambda: connection
    return frames


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 60), max_size=12))
def test_frames_are_always_the_same_wherever_the_network_cuts_them(
    sent: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(len(frame).to_bytes(4, "big") + frame for frame in sent)
    connection = _Connection()
    frames = _frames(connection)
    at = 0
    for cut in [*cuts, len(stream)]:
        if at < len(stream):
            frames.data_received(stream[at : at + cut])
        at += cut
    assert connection.frames == sent


def test_what_comes_behind_the_frame_that_closed_a_connection_is_left() -> None:
    connection = _Connection(most=1)
    _frames(connection).data_received(b"\0\0\0\1a\0\0\0\1b")
    assert connection.frames == [b"a"]


async def test_an_answer_that_does_not_come_in_time_is_a_timeout() -> None:
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await wait_for(answer, 0.01)


async def test_an_answer_in_time_is_returned() -> None:
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(answer.set_result, b"here")
    assert await wait_for(answer, 10) == b"here"
