"""Access tokens of OAuth credentials at work: fetched, renewed, taken back, refused, and shown to nobody."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trustme

from app.kit.secrets import Secrets
from app.messages.record import Address, LogRecord
from app.messages.request import Request
from app.outbound.answers import Answer, Failure
from app.outbound.attempt import Rows
from app.outbound.connections import tls_context
from app.outbound.courier import Courier
from app.outbound.guard import Guard
from app.outbound.health import report_of
from app.outbound.hosts.job import NOTHING
from app.outbound.parking import Refusals
from app.outbound.policy import next_step
from app.outbound.trial import send_once
from app.outbound.verdict import Judgement, judge
from app.settings import load
from app.templates.text import Slot, Text
from tests.outbound import LOOPBACK, OCCURRED_AT, request
from tests.receivers import Exchange, Script, answer, drip, late, raw, reset
from tests.token_server import TokenServer, key
from tests.wire import Everywhere

_HEADERS: dict[str, Text] = {"Authorization": ["Bearer ", Slot("google", "header")]}


class _Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class _Sender:
    """A courier with the secret `google` in a file, whose clock is set by hand."""

    def __init__(
        self, courier: Courier, secrets: Secrets, server: TokenServer, folder: Path, clock: _Clock
    ) -> None:
        self.courier = courier
        self.secrets = secrets
        self.server = server
        self.clock = clock
        self._file = folder / "google"

    def holds(self, credential: str) -> None:
        self._file.with_name("next").write_text(credential)
        self._file.with_name("next").rename(self._file)

    def request(self) -> Request:
        return request(self.server.url("/v1/events:ingest"), method="POST", headers=_HEADERS, body="{}")

    async def send(self) -> Answer | Failure:
        return await self.courier.send(self.request())

    async def status(self) -> int:
        outcome = await self.send()
        assert isinstance(outcome, Answer), outcome
        return outcome.status

    def bearers(self) -> list[str]:
        """The tokens that the API got, in order."""
        heads = [seen.header(b"Authorization") for seen in self.server.requests if b"/v1/" in seen.target]
        return [(head or b"").decode().removeprefix("Bearer ") for head in heads]


@asynccontextmanager
async def _sending(folder: Path, server: TokenServer | None = None) -> AsyncIterator[_Sender]:
    clock = _Clock()
    secrets = Secrets({}, folder)
    async with (
        server or TokenServer() as opened,
        Courier(secrets, LOOPBACK.open_socket, clock=clock) as courier,
    ):
        sender = _Sender(courier, secrets, opened, folder, clock)
        sender.holds(opened.service_account())
        yield sender


def _judged(outcome: Answer | Failure) -> Judgement:
    return judge(outcome, (), OCCURRED_AT)


def _parks(refusals: Refusals, outcome: Answer | Failure) -> bool:
    verdict = _judged(outcome).verdict
    return refusals.why_parked(("F-7", "google"), verdict, outcome, parked=False) is not None


async def _parks_after(sender: _Sender, wait_s: float) -> list[bool]:
    """Whether each of four bursts, so many seconds after each other, parks the postback."""
    refusals, bursts = Refusals(), []
    for _ in range(4):
        outcomes = await asyncio.gather(*(sender.send() for _ in range(5)))
        bursts.append(sum(_parks(refusals, outcome) for outcome in outcomes) == 1)
        sender.clock.now_s += wait_s
    return bursts


async def test_one_token_serves_all_that_wait_for_it(tmp_path: Path) -> None:
    async with _sending(tmp_path) as sender:
        sender.server.instead = late(0.2, sender.server.grant)
        statuses = await asyncio.gather(*(sender.status() for _ in range(20)))
        assert statuses == [200] * 20
        assert await sender.status() == 200
        assert len(sender.server.asked) == 1
        assert set(sender.bearers()) == set(sender.server.given)


@pytest.mark.parametrize("changes", [{}, {"client_secret": "wrong"}])
async def test_a_refresh_token_gets_access_tokens_with_its_client(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    async with _sending(tmp_path) as sender:
        sender.holds(sender.server.authorized_user(**changes))
        outcome = await sender.send()
        assert sender.server.asked[0]["grant_type"] == "refresh_token"
        assert isinstance(outcome, Failure if changes else Answer)


async def test_a_token_is_renewed_while_it_still_serves_and_not_used_once_it_is_over(tmp_path: Path) -> None:
    async with _sending(tmp_path) as sender:
        first = await _token(sender)
        sender.clock.now_s += 3600 - 301
        assert await _token(sender) == first
        assert len(sender.server.asked) == 1
        sender.clock.now_s += 2  # less than five minutes are left
        assert await _token(sender) == first
        while (second := await _token(sender)) == first:
            await asyncio.sleep(0.01)
        assert len(sender.server.asked) == 2
        sender.clock.now_s += 3600 - 9
        sender.server.valid.discard(second)
        third = await _token(sender)
        assert len({first, second, third}) == 3
        assert sender.secrets.known() == {second, third}


async def _token(sender: _Sender) -> str:
    assert await sender.status() == 200
    return sender.bearers()[-1]


async def test_a_token_that_is_taken_back_early_costs_a_retry_and_parks_nothing(tmp_path: Path) -> None:
    async with _sending(tmp_path) as sender:
        await sender.status()
        sender.clock.now_s += 61
        sender.server.valid.clear()
        refused = await asyncio.gather(*(sender.send() for _ in range(5)))
        for outcome in refused:
            assert isinstance(outcome, Failure)
            assert outcome.answer is not None
            assert outcome.answer.status == 401
            judged = _judged(outcome)
            assert (judged.verdict, judged.rule) == ("retry", "default: token")
            assert judged.reason == "status 401: the access token is outdated, another is fetched"
        assert await sender.status() == 200
        assert len(sender.server.asked) == 2


async def test_one_receiver_that_refuses_what_another_accepts_gets_no_new_token_each_time(
    tmp_path: Path,
) -> None:
    async def play(exchange: Exchange) -> None:
        await answer(401 if b"/v1/refuses" in exchange.received.target else 200)(exchange)

    async with _sending(tmp_path, TokenServer(api=play)) as sender:
        refused = request(sender.server.url("/v1/refuses"), headers=_HEADERS)
        for _ in range(5):
            assert await sender.status() == 200
            assert _judged(await sender.courier.send(refused)).verdict == "auth"
        assert len(sender.server.asked) == 1


async def test_three_refused_tokens_park_and_not_one_that_many_requests_had(tmp_path: Path) -> None:
    async with _sending(tmp_path, TokenServer(api=answer(401))) as sender:
        assert await _parks_after(sender, 10) == [False] * 4
        assert len(sender.server.asked) == 1
    async with _sending(tmp_path, TokenServer(api=answer(401))) as sender:
        assert await _parks_after(sender, 61) == [False, False, True, False]
        assert len(sender.server.asked) == 4
    async with _sending(tmp_path) as sender:
        sender.server.keys.clear()
        assert await _parks_after(sender, 1) == [False] * 4
        assert len(sender.server.asked) == 1
        sender.clock.now_s += 5
        assert await _parks_after(sender, 5) == [False, False, True, False]
        assert len(sender.server.asked) == 5


async def test_a_receiver_that_refuses_a_fresh_token_means_the_credential(tmp_path: Path) -> None:
    async with _sending(tmp_path, TokenServer(api=answer(401))) as sender:
        for _ in range(3):
            judged = _judged(await sender.send())
            assert (judged.verdict, judged.rule) == ("auth", "default: 401")
        assert len(sender.server.asked) == 1
        sender.clock.now_s += 61
        for _ in range(3):
            assert _judged(await sender.send()).verdict == "auth"
        assert len(sender.server.asked) == 2


_FAULTS: dict[str, tuple[Script, str]] = {
    "errs": (answer(503, b"<h1>busy"), "status 503, no answer of a token server"),
    "says nothing": (answer(200), "status 200, no answer of a token server"),
    "breaks off": (reset(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"), "the answer broke off"),
    "no HTTP": (raw(b"SSH-2.0\r\n\r\n"), "the answer is not HTTP"),
    "later": (answer(400, b'{"error":"temporarily_unavailable"}'), "status 400, temporarily_unavailable"),
    "too many": (answer(429, b'{"error":"rate_limit_exceeded"}'), "status 429, rate_limit_exceeded"),
    "no bearer": (answer(200, b'{"access_token":"a","token_type":"mac"}'), "its token is no bearer token"),
}


@pytest.mark.parametrize("fault", _FAULTS)
async def test_a_token_server_that_fails_is_a_retry_and_is_left_alone_for_a_while(
    tmp_path: Path, fault: str
) -> None:
    script, told = _FAULTS[fault]
    async with _sending(tmp_path) as sender:
        sender.server.instead = script
        outcomes = await asyncio.gather(*(sender.send() for _ in range(5)))
        outcomes.append(await sender.send())
        for outcome in outcomes:
            judged = _judged(outcome)
            assert (judged.verdict, judged.rule) == ("retry", "default: token")
            assert judged.reason.startswith(f"no access token for secret google: 127.0.0.1: {told}")
            assert report_of(outcome, judged, 1000) == NOTHING
        assert len(sender.server.asked) == 1
        assert sender.bearers() == []
        sender.server.instead = None
        sender.clock.now_s += 5
        assert await sender.status() == 200


async def test_a_token_server_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.outbound.courier.TOKEN_TIMEOUT_S", 0.2)
    async with _sending(tmp_path) as sender:
        sender.server.instead = drip(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n")
        reason = _judged(await sender.send()).reason
        assert reason.startswith("no access token for secret google: 127.0.0.1: the body was not complete")


async def test_a_courier_that_closes_leaves_no_fetch_behind(tmp_path: Path) -> None:
    async with _sending(tmp_path) as sender:
        sender.server.instead = late(60, answer())
        waiting = asyncio.create_task(sender.send())
        await sender.server.arrived(1)
        waiting.cancel()
        await asyncio.wait((waiting,))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_refused_credential_parks_and_a_new_key_in_its_file_is_used_at_once(tmp_path: Path) -> None:
    async with _sending(tmp_path) as sender:
        await sender.status()
        sender.server.keys = {"k2": key("k2")[1]}
        sender.clock.now_s += 3600
        for _ in range(3):
            judged = _judged(await sender.send())
            assert (judged.verdict, judged.rule) == ("auth", "default: credential")
        assert "status 400, invalid_grant: Invalid JWT Signature." in judged.reason
        sender.holds(sender.server.service_account("k2"))
        assert await sender.status() == 200


@pytest.mark.parametrize(
    ("credential", "told"),
    [
        ('{"type": "service_account", "client_email": "a@b"}', "incomplete: Object missing required field"),
        ('{"type": "authorized_user", "refresh_token": "r', "looks like an OAuth credential"),
        ('{"type": "external_account"}', "of type external_account is not supported"),
        ("'" + json.dumps({"type": "service_account"}) + "'", "but is no JSON"),
        (json.dumps({"type": "authorized_user"}).replace('"', '\\"'), "but is no JSON"),
        (
            '{"type": "service_account", "client_email": "a@b", "private_key": "no-pem"}',
            "is no RSA key in PEM",
        ),
    ],
)
async def test_what_is_meant_as_a_credential_is_never_sent_as_it_is(
    tmp_path: Path, credential: str, told: str
) -> None:
    async with _sending(tmp_path) as sender:
        sender.holds(credential)
        judged = _judged(await sender.send())
        assert judged.verdict == "auth"
        assert judged.reason.startswith(
            "secret google gets no access token" if "no-pem" not in credential else "no "
        )
        assert told in judged.reason
        assert sender.server.requests == []


@pytest.mark.parametrize("value", ['{"type": "service"}', '{"a": 1}', "{", "a-type-of-token"])
async def test_a_plain_secret_with_braces_is_sent_as_it_is(tmp_path: Path, value: str) -> None:
    async with _sending(tmp_path) as sender:
        sender.holds(value)
        await sender.send()
        assert sender.bearers() == [value]
        assert sender.server.asked == []


async def test_the_token_server_is_asked_behind_guard_and_tls(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    trusting = tls_context()
    authority.configure_trust(trusting)
    reasons = []
    for issuer, guard in ((authority, LOOPBACK), (stranger, LOOPBACK), (authority, Guard())):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert("token.example").configure_cert(context)
        async with TokenServer(tls=context) as server:
            names = Everywhere({443: server.port})
            secrets = Secrets(
                {"POSTBACKS_SECRET_GOOGLE": server.authorized_user(token_uri="https://token.example/token")}
            )
            async with Courier(secrets, guard.open_socket, tls=trusting, resolver=names) as courier:
                outcome = await courier.send(request("https://token.example/v1/", headers=_HEADERS))
                reasons.append(outcome.text if isinstance(outcome, Failure) else "")
    assert reasons[0] == ""
    assert "token.example: the certificate is refused" in reasons[1]
    assert "token.example: address 127.0.0.1 is not allowed" in reasons[2]


async def _attempted(sender: _Sender, rows: Rows) -> LogRecord:
    sent = sender.request()
    outcome = await sender.courier.send(sent)
    told = _judged(outcome)
    step = next_step(sent, told, 1, OCCURRED_AT)
    times = {"started_ms": OCCURRED_AT, "ended_ms": OCCURRED_AT}
    return rows.attempt(sent, Address(0, 1), outcome, told, step, attempt_id="a", **times)


async def test_a_test_send_has_its_token_and_shows_it_to_nobody(tmp_path: Path) -> None:
    async with TokenServer(api=_echo) as server:
        environ = {"POSTBACKS_ALLOW_NETWORKS": "127.0.0.0/8"}
        secrets = Secrets({"POSTBACKS_SECRET_GOOGLE": server.service_account()})
        sent = request(server.url("/v1/"), method="POST", headers=_HEADERS, body="{}")
        row = await send_once(load(environ), secrets, sent)
        assert (row.response_status, row.verdict) == (200, "ok")
        assert row.request_headers["Authorization"] == "•••"
        assert secrets.known() == set(server.given)
        shown = msgspec.json.encode(row).decode()
        assert [value for value in (*server.given, "PRIVATE KEY", "k1") if value in shown] == []


async def _echo(exchange: Exchange) -> None:
    await answer(200, exchange.received.head)(exchange)


async def test_neither_token_nor_credential_is_in_a_row_or_a_log_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with _sending(tmp_path, TokenServer(api=_echo)) as sender:
        sender.holds(sender.server.authorized_user())
        rows = Rows("t", "w", sender.secrets)
        seen = [await _attempted(sender, rows)]
        assert "•••" in seen[0].response_body
        sender.server.refresh_tokens.clear()
        sender.clock.now_s += 3600
        seen.append(await _attempted(sender, rows))
    assert "Token has been expired or revoked: •••" in seen[1].reason
    shown = msgspec.json.encode(seen).decode() + capsys.readouterr().out
    hidden = json.loads(sender.server.authorized_user())
    for value in (*sender.server.given, hidden["refresh_token"], hidden["client_secret"]):
        assert value not in shown
