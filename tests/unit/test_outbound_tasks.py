"""How the tasks of OUTBOUND end: none is given up without a word."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from app.outbound.agent import Outbound
from app.outbound.replay import numbered
from tests.outbound import request


async def test_a_request_whose_task_is_cancelled_ends_the_worker_and_is_read_again() -> None:
    role = Outbound.__new__(Outbound)
    role._tasks, role._few_tasks = set(), asyncio.Event()
    role._broken = asyncio.get_running_loop().create_future()
    role._start(asyncio.sleep(60))
    (task,) = role._tasks
    task.cancel()
    with pytest.raises(RuntimeError, match="cancelled"):
        await asyncio.wait_for(role._broken, 5)
    assert role._tasks == set()


def test_a_replay_begins_without_attempts_and_put_offs() -> None:
    waited = structs.replace(request(attempts=3), put_offs=7, released=4)
    replay = numbered(waited, 2)
    assert (replay.replay, replay.attempts, replay.put_offs, replay.released) == (2, 0, 0, -1)
