"""The demo's receiver answers as the path says, and keeps what arrived and how often."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, ClientTimeout

from app.demo.arrival import Arrival
from app.demo.receiver import HOWS, RETRY_AFTER_S, Receiver, serve


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with serve() as running:
        yield running


async def _send(receiver: Receiver, how: str, id_: str = "r-1") -> tuple[int, str, str | None]:
    """Status, body and Retry-After of an answer."""
    link = f"http://{receiver.addresses[how]}/{how}/a/b?click=c%201"
    async with (
        ClientSession(timeout=ClientTimeout(total=5)) as session,
        session.post(link, data={"name": "Jö"}, headers={"X-Request-Id": id_}) as answer,
    ):
        return answer.status, await answer.text(), answer.headers.get("Retry-After")


_ANSWERS = {
    "200": [200, 200],
    "503-then-200": [503, 200, 200],
    "429-then-200": [429, 200],
    "200-with-error": [200, 200],
    "slowly": [200],
}


@pytest.mark.parametrize(("how", "statuses"), _ANSWERS.items(), ids=_ANSWERS)
async def test_it_answers_as_the_path_says(receiver: Receiver, how: str, statuses: list[int]) -> None:
    assert [(await _send(receiver, how))[0] for _ in statuses] == statuses
    accepted = 0 if how == "200-with-error" else statuses.count(200)
    assert receiver.arrivals == {"r-1": Arrival({"click": "c 1", "name": "Jö"}, len(statuses), accepted)}


async def test_each_request_has_its_own_first_answer(receiver: Receiver) -> None:
    assert (await _send(receiver, "429-then-200"))[2] == str(RETRY_AFTER_S)
    assert (await _send(receiver, "429-then-200", "r-2"))[0] == 429
    assert (await _send(receiver, "429-then-200"))[0] == 200


async def test_a_refusal_stands_in_the_body_of_a_200(receiver: Receiver) -> None:
    assert '"ok": false' in (await _send(receiver, "200-with-error"))[1]


async def test_never_is_no_answer_and_keeps_no_stop_waiting(receiver: Receiver) -> None:
    async with ClientSession(timeout=ClientTimeout(total=0.2)) as session:
        with pytest.raises(TimeoutError):
            await session.get(f"http://{receiver.addresses['never']}/never/", headers={"X-Request-Id": "r-1"})
    assert receiver.arrivals == {"r-1": Arrival({}, times=1, accepted=0)}


async def test_each_answer_has_an_address_of_its_own(receiver: Receiver) -> None:
    assert receiver.addresses.keys() == set(HOWS)
    assert len(set(receiver.addresses.values())) == len(HOWS)


async def test_a_path_that_names_no_answer_is_404_with_those_there_are(receiver: Receiver) -> None:
    async with (
        ClientSession() as session,
        session.get(f"http://{receiver.addresses['200']}/2000/x") as answer,
    ):
        assert answer.status == 404
        assert "503-then-200" in await answer.text()
    assert receiver.arrivals == {}
