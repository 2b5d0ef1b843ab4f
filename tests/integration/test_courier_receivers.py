"""The courier against receivers that misbehave, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import pytest
import pytest_asyncio

from app.kit.secrets import Secrets
from app.messages.request import Delivery, Request
from app.outbound.answers import READ_BYTES, Answer, Failure, FailureKind
from app.outbound.courier import Courier
from app.templates.text import Slot
from tests.library_client import NO_WORDS, LibraryClient, Sender
from tests.outbound import LOOPBACK, request
from tests.receivers import Exchange, Receiver, Script, answer, drip, flood, late, never, raw, reset

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest_asyncio.fixture
async def courier() -> AsyncIterator[Courier]:
    async with Courier(Secrets({"POSTBACKS_SECRET_S": "hush/hush"}), LOOPBACK.open_socket) as opened:
        yield opened


@pytest_asyncio.fixture(params=["ours", "library"])
async def either(courier: Courier, request: pytest.FixtureRequest) -> AsyncIterator[Sender]:
    """The courier, and aiohttp's public client, of which the same is expected."""
    if request.param == "ours":
        yield courier
        return
    async with LibraryClient() as client:
        yield client


def _get(link: str, timeout_s: float = 5.0) -> Request:
    return request(link, delivery=Delivery(timeout_s=timeout_s))


def _post(link: str, body: str = "a=1") -> Request:
    return request(link, method="POST", body=body, headers={"Content-Type": "x"})


async def _failure(courier: Sender, script: Script, timeout_s: float = 5.0) -> Failure:
    async with Receiver(script) as receiver:
        outcome = await courier.send(_get(receiver.url(), timeout_s))
        await receiver.all_closed()
    assert isinstance(outcome, Failure)
    return outcome


async def _answer(courier: Sender, script: Script) -> Answer:
    async with Receiver(script) as receiver:
        outcome = await courier.send(_get(receiver.url()))
    assert isinstance(outcome, Answer)
    return outcome


async def test_an_answer_comes_back_with_status_headers_and_body(either: Sender) -> None:
    said = await _answer(either, answer(201, "прийнято".encode(), [("X-A", "ї"), ("X-A", "2")]))
    assert (said.status, said.body.decode(), said.complete) == (201, "прийнято", True)
    assert said.headers == (("Content-Length", "16"), ("X-A", "ї"), ("X-A", "2"))
    assert said.duration_ms > 0


@pytest.mark.parametrize(
    ("script", "status", "body"),
    [
        (raw(b"HTTP/1.0 200 OK\r\n\r\nold"), 200, b"old"),
        (raw(b"HTTP/1.1 200\r\n\r\nto the end"), 200, b"to the end"),
        (raw(_OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), 200, b"abc"),
        (raw(b"HTTP/1.1 204 No Content\r\n\r\n", keep_open=True), 204, b""),
        (raw(b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", keep_open=True), 204, b""),
        (raw(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", keep_open=True), 304, b""),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n" + _OK + b"Content-Length: 2\r\n\r\nok"), 200, b"ok"),
        (raw(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", _OK + b"Content-Length: 2\r\n\r\nok"), 200, b"ok"),
        (raw(b"HTTP/1.1 500 \xff\xfe\r\nX: \xff\r\nContent-Length: 1\r\n\r\n\xff"), 500, b"\xff"),
        (raw(b"HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n\r\n"), 999, b""),
        (raw(b"HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n"), 0, b""),
        (raw(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nblah"), 101, b""),
        (answer(429, b"", [("Retry-After", "7")]), 429, b""),
        (answer(200, b'{"code": 5}'), 200, b'{"code": 5}'),
        (late(0.05, answer(200, b"slow")), 200, b"slow"),
    ],
)
async def test_an_odd_answer_is_an_answer(either: Sender, script: Script, status: int, body: bytes) -> None:
    said = await _answer(either, script)
    assert (said.status, said.body) == (status, body)


@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "malformed", "the answer is not HTTP"),
        (raw(b"<html>hello</html>"), "malformed", "the answer is not HTTP"),
        (raw(b"\0\xff" * 100), "malformed", "the answer is not HTTP"),
        (raw(b"HTTP/1.1 1000 Much\r\n\r\n"), "malformed", "the answer is not HTTP"),
        (raw(_OK + b"Content-Length: many\r\n\r\nx"), "malformed", "the answer is not HTTP"),
        (
            raw(_OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
            "malformed",
            "the answer is not HTTP",
        ),
        (flood(_OK, b"X: a\r\n" * 100), "malformed", "the answer has over 128 headers"),
        (flood(_OK + b"X: ", b"a" * 4_000), "malformed", "a line of the answer's head is over 16 KiB"),
        (raw(), "closed", "closed without an answer"),
        (raw(_OK + b"Content-Le"), "closed", "closed inside the answer's head"),
        (reset(), "closed", "the connection broke: Connection reset by peer"),
    ],
)
async def test_no_answer_is_told_by_its_kind(
    either: Sender, script: Script, kind: FailureKind, text: str
) -> None:
    failure = await _failure(either, script)
    assert (failure.kind, failure.answer) == (kind, None)
    assert failure.text in (text, NO_WORDS)


@pytest.mark.parametrize(
    "script",
    [
        raw(_OK + b"Content-Length: 100\r\n\r\nhalf"),
        raw(_OK + b"Content-Length: 100\r\n\r\n", b"half"),
        raw(_OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        reset(_OK + b"Content-Length: 100\r\n\r\nhalf"),
    ],
)
async def test_an_answer_that_breaks_off_keeps_its_head(either: Sender, script: Script) -> None:
    async with Receiver(script) as receiver:
        failure = await either.send(_get(receiver.url()))
    assert isinstance(failure, Failure)
    assert failure.kind == "incomplete"
    assert failure.answer is not None
    assert (failure.answer.status, failure.answer.complete) == (200, False)
    assert b"half".startswith(failure.answer.body)


@pytest.mark.parametrize("keep_open", [False, True])
async def test_what_is_wrong_inside_a_body_takes_neither_head_nor_beginning_with_it(
    courier: Courier, keep_open: bool
) -> None:
    """The library alone would forget the head that came in the same piece."""
    wrong = raw(_CHUNKED + b"4\r\nhalf\r\nZZ\r\n", keep_open=keep_open)
    async with Receiver(wrong) as receiver:
        failure = await courier.send(_get(receiver.url()))
    assert isinstance(failure, Failure)
    assert failure.kind == "incomplete"
    assert failure.answer is not None
    assert (failure.answer.status, failure.answer.body) == (200, b"half")


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (never(), "no answer within 0.3 s"),
        (drip(b"HTTP/1.1 200 O"), "no answer within 0.3 s"),
        (drip(_OK + b"X: "), "no answer within 0.3 s"),
    ],
)
async def test_one_deadline_spans_the_head_however_it_drips(
    either: Sender, script: Script, text: str
) -> None:
    failure = await _failure(either, script, timeout_s=0.3)
    assert (failure.kind, failure.answer) == ("timeout", None)
    assert failure.text in (text, NO_WORDS)
    assert failure.duration_ms >= 300


@pytest.mark.parametrize(
    "script",
    [
        drip(_OK + b"Content-Length: 1000000\r\n\r\n"),
        drip(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        raw(_OK + b"Content-Length: 9\r\n\r\n", keep_open=True),
    ],
)
async def test_one_deadline_spans_the_body_too(courier: Courier, script: Script) -> None:
    async with Receiver(script) as receiver:
        failure = await courier.send(_get(receiver.url(), 0.3))
        await receiver.all_closed()
    assert isinstance(failure, Failure)
    assert failure.kind == "timeout"
    assert failure.text.startswith("the body was not complete within 0.3 s, ")
    assert failure.answer is not None
    assert failure.answer.status == 200


@pytest.mark.parametrize(
    "first",
    [_OK + b"\r\n", _OK + b"Content-Length: 999999999\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"],
)
async def test_an_answer_without_end_is_read_to_the_limit_and_is_an_answer(
    either: Sender, first: bytes
) -> None:
    async with Receiver(flood(first, b"x" * 5_000)) as receiver:
        said = await either.send(_get(receiver.url()))
        await receiver.all_closed()
    assert isinstance(said, Answer)
    assert (said.status, said.body, said.complete) == (200, b"x" * READ_BYTES, False)


_LONG_LINE = "a line of the answer's head is over 16 KiB"
_MUCH = "the answer has over 1 MiB around its body"
_BROKE = "the answer broke off after 2 bytes of its body"
_FLOODS: dict[str, tuple[Script, FailureKind, str]] = {
    "status line": (flood(b"HTTP/1.1 200 ", b"x" * 4096), "malformed", _LONG_LINE),
    "version": (flood(b"HTTP/1.1", b"1" * 4096), "malformed", "the answer is not HTTP"),
    "empty lines": (flood(b"", b"\r\n" * 2048), "malformed", "over 16 heads came before the answer's"),
    "bare empty lines": (flood(b"", b"\n" * 4096), "malformed", "over 16 heads came before the answer's"),
    "a header's name": (flood(_OK, b"x" * 4096), "malformed", _LONG_LINE),
    "a folded header": (flood(_OK + b"X: a", b"\r\n  b" * 512), "malformed", _LONG_LINE),
    "interim answers": (
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
        "malformed",
        "over 16 heads came before the answer's",
    ),
    "interim answers with bare line ends": (
        flood(b"", b"HTTP/1.1 100 Continue\n\n" * 200),
        "malformed",
        "over 16 heads came before the answer's",
    ),
    "interim headers": (
        flood(b"", b"HTTP/1.1 103 Early\r\n" + b"Link: a\r\n" * 99 + b"\r\n"),
        "malformed",
        "over 16 heads came before the answer's",
    ),
    "a chunk's size": (flood(_CHUNKED, b"0" * 4096), "incomplete", _MUCH),
    "a chunk's extension": (flood(_CHUNKED + b"1;", b"x" * 4096), "incomplete", _MUCH),
    "chunks of a byte": (
        flood(_CHUNKED, b"1\r\nx\r\n" * 1000),
        "incomplete",
        "the answer's body comes in over 8192 chunks",
    ),
    "trailers": (flood(_CHUNKED + b"2\r\nok\r\n0\r\n", b"X: aaaaaaaa\r\n" * 128), "incomplete", _BROKE),
    "one trailer": (flood(_CHUNKED + b"2\r\nok\r\n0\r\nX: ", b"a" * 4096), "incomplete", _BROKE),
}


@pytest.mark.parametrize(("script", "kind", "text"), _FLOODS.values(), ids=_FLOODS)
async def test_a_flood_around_the_body_ends_soon_and_is_not_kept(
    courier: Courier, script: Script, kind: FailureKind, text: str
) -> None:
    played: list[Exchange] = []

    async def play(exchange: Exchange) -> None:
        played.append(exchange)
        await script(exchange)

    async with Receiver(play) as receiver:
        tracemalloc.start()
        failure = await courier.send(_get(receiver.url(), 20.0))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await receiver.all_closed()
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.text) == (kind, text)
    assert peak < 4 * 2**20
    assert played[0].written < 32 * 2**20  # what the system's buffers took


@pytest.mark.parametrize("size", [16, 64])
async def test_small_chunks_with_extensions_are_an_answer_up_to_a_limit(either: Sender, size: int) -> None:
    chunk = b"%x;ext\r\n%s\r\n" % (size, b"x" * size)
    said = await _answer(either, flood(_CHUNKED, chunk * 500))
    assert said.body == b"x" * READ_BYTES


async def test_a_long_text_of_short_lines_in_chunks_is_an_answer(courier: Courier) -> None:
    lines = b"12345\r\n" * 100_000
    chunk = b"%x\r\n%s\r\n" % (len(lines), lines)
    said = await _answer(courier, raw(_CHUNKED + chunk + b"0\r\n\r\n"))
    assert said.body == lines[:READ_BYTES]


async def test_a_few_interim_answers_come_before_each_answer_of_a_kept_connection(either: Sender) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 10
    script = raw(interim + _OK + b"Content-Length: 2\r\n\r\nok", keep_open=True)
    async with Receiver(script) as receiver:
        said = [await either.send(_get(receiver.url())) for _ in range(5)]
        assert receiver.connections == 1
    assert [one.body for one in said if isinstance(one, Answer)] == [b"ok"] * 5


async def test_large_answers_of_a_kept_connection_are_counted_each_by_itself(courier: Courier) -> None:
    async with Receiver(answer(200, b"x" * 60_000)) as receiver:
        said = [await courier.send(_get(receiver.url())) for _ in range(30)]
        assert receiver.connections == 1
    assert all(isinstance(one, Answer) and one.complete for one in said)


async def test_more_body_than_content_length_says_is_ignored_and_the_connection_given_up(
    courier: Courier,
) -> None:
    script = raw(_OK + b"Content-Length: 2\r\n\r\nok and more", keep_open=True)
    async with Receiver(script) as receiver:
        said = [await courier.send(_get(receiver.url())) for _ in range(2)]
        assert receiver.connections == 2
    assert [(one.status, one.body) for one in said if isinstance(one, Answer)] == [(200, b"ok")] * 2


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b'{"ok": 1}', mtime=0)),
        ("deflate", zlib.compress(b'{"ok": 1}')),
        ("deflate", zlib.compress(b'{"ok": 1}')[2:-4]),
        ("br", b'{"ok": 1}'),
        ("gzip", b'{"ok": 1}'),
    ],
)
async def test_a_compressed_answer_is_read(courier: Courier, encoding: str, body: bytes) -> None:
    said = await _answer(courier, answer(200, body, [("Content-Encoding", encoding)]))
    assert said.body == b'{"ok": 1}'


async def test_a_gzip_bomb_gives_the_limit_and_no_more(courier: Courier) -> None:
    bomb = gzip.compress(b"\0" * 20_000_000, mtime=0)
    said = await _answer(courier, answer(200, bomb, [("Content-Encoding", "gzip")]))
    assert said.body == b"\0" * READ_BYTES
    assert not said.complete


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_brought_back_and_not_followed(either: Sender, status: int) -> None:
    async with Receiver(answer()) as elsewhere:
        said = await _answer(either, answer(status, b"", [("Location", elsewhere.url("/in"))]))
        assert said.status == status
        assert said.header("location") == elsewhere.url("/in")
        assert elsewhere.connections == 0


async def test_a_cookie_is_not_sent_back(either: Sender) -> None:
    async with Receiver(answer(200, b"", [("Set-Cookie", "a=1; Path=/")])) as receiver:
        for _ in range(2):
            await either.send(_get(receiver.url()))
        assert [seen.header(b"Cookie") for seen in receiver.requests] == [None, None]


async def test_connections_are_kept_for_the_next_request(either: Sender) -> None:
    async with Receiver(answer(200, b"x")) as receiver:
        for _ in range(3):
            await either.send(_post(receiver.url()))
        assert (len(receiver.requests), receiver.connections) == (3, 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_is_sent_twice_when_a_kept_connection_breaks(courier: Courier, method: str) -> None:
    """aiohttp would send the GET again by itself; here it is one send, one row, and the policy's turn."""
    async with Receiver(answer(200, b"x"), raw(), answer(200, b"x")) as receiver:
        make = _get if method == "GET" else _post
        first = await courier.send(make(receiver.url("/1")))
        second = await courier.send(make(receiver.url("/2")))
        assert [seen.target for seen in receiver.requests] == [b"/1", b"/2"]
        assert [seen.connection for seen in receiver.requests] == [1, 1]
    assert isinstance(first, Answer)
    assert isinstance(second, Failure)
    assert (second.kind, second.text) == ("closed", "closed without an answer")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_kept_connection_that_was_closed_is_not_asked(courier: Courier, method: str) -> None:
    """Also when its end has come and nobody read it yet: then nothing is lost by taking another."""
    make = _get if method == "GET" else _post
    async with Receiver(raw(_OK + b"Content-Length: 2\r\n\r\nok")) as receiver:
        for _ in range(3):
            assert isinstance(await courier.send(make(receiver.url())), Answer)
            await receiver.all_closed()
        assert [seen.connection for seen in receiver.requests] == [1, 2, 3]


async def test_bytes_that_come_on_an_idle_connection_are_nobodys_answer(courier: Courier) -> None:
    """Without care the second request would take `stale` for its answer, before it was even read."""
    sent_stale = asyncio.Event()

    async def twice(exchange: Exchange) -> None:
        exchange.keep_open = True
        await exchange.write(_OK + b"Content-Length: 2\r\n\r\nok")
        await asyncio.sleep(0.05)
        await exchange.write(_OK + b"Content-Length: 5\r\n\r\nstale")
        sent_stale.set()

    async with Receiver(twice, answer(500, b"mine")) as receiver:
        await courier.send(_get(receiver.url("/1")))
        await sent_stale.wait()
        await asyncio.sleep(0.05)
        second = await courier.send(_get(receiver.url("/2")))
        assert [seen.connection for seen in receiver.requests] == [1, 2]
    assert isinstance(second, Answer)
    assert (second.status, second.body) == (500, b"mine")


async def test_a_refused_connection_is_told(either: Sender) -> None:
    async with Receiver() as receiver:
        link = receiver.url()
    failure = await either.send(_get(link))
    assert isinstance(failure, Failure)
    assert failure.kind == "connect"
    assert failure.text in ("no connection: Connection refused", NO_WORDS)


async def test_a_request_that_cannot_be_put_together_is_not_sent(courier: Courier) -> None:
    async with Receiver() as receiver:
        failure = await courier.send(request([receiver.url("/"), Slot("missing", "path")]))
        assert receiver.connections == 0
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.text) == ("unsendable", "secret missing is not set")


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": {"X": "a\r\nX-Evil: 1"}},
        {"headers": {"X": "a\nX-Evil: 1"}},
        {"headers": {"X": "a\0"}},
        {"headers": {"X\r\nX-Evil": "1"}},
        {"headers": {"X: 1\r\n\r\nGET /evil HTTP/1.1\r\nHost": "x"}},
        {"headers": {"Host": "t.example\r\nX-Evil: 1"}},
        {"method": "GET /evil HTTP/1.1\r\nHost: x\r\n\r\nGET"},
        {"method": ""},
        {"delivery": Delivery(idempotency_header="X\r\nX-Evil")},
        {"request_id": "1\r\nX-Evil: 1", "delivery": Delivery(idempotency_header="X-Id")},
        *(
            {"path": path}
            for path in ("/ HTTP/1.1\r\nX-Evil: 1", "/\nX-Evil: 1", "/a b", "/?a=\r", "/é", "/\x7f")
        ),
    ],
)
async def test_what_could_become_another_header_or_request_is_not_sent(
    courier: Courier, changed: dict[str, Any]
) -> None:
    """Flows cannot be saved so; whoever writes to the topic of requests can."""
    async with Receiver() as receiver:
        link = receiver.url(changed.pop("path", "/"))
        failure = await courier.send(request(link, **changed))
        assert receiver.connections == 0
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.text) == (
        "unsendable",
        "the link or a header holds what HTTP cannot carry",
    )


@pytest.mark.parametrize("end", ["?", "?#a", "", "#a"])
async def test_a_link_goes_out_to_its_last_byte_without_its_fragment(courier: Courier, end: str) -> None:
    async with Receiver() as receiver:
        await courier.send(request(receiver.url(f"/a{end}")))
        assert receiver.requests[0].target == b"/a" + end.partition("#")[0].encode()


async def test_a_secret_is_filled_in_on_the_wire(courier: Courier) -> None:
    async with Receiver() as receiver:
        await courier.send(request([receiver.url("/"), Slot("s", "path"), "?s=", Slot("s", "pair")]))
        assert receiver.requests[0].target == b"/hush%2Fhush?s=hush%2Fhush"


async def test_what_is_on_the_wire_is_what_was_rendered(courier: Courier) -> None:
    async with Receiver(answer(200)) as receiver:
        target = "/a/%41/%7e/[1]//b;c=1/@:!$'()*+,?x[0]=%2f&y=%C3%A9&=&a&b=&z=a+b%20c/?@:"
        sent = request(
            receiver.url(target),
            method="POST",
            headers={"X-Second": "2", "X-First": "ї", "x-empty": "", "Cookie": "own=1"},
            body="тіло\r\n\0",
        )
        await courier.send(sent)
        seen = receiver.requests[0]
        host = f"127.0.0.1:{receiver.port}".encode()
    assert seen.line == b"POST " + target.encode() + b" HTTP/1.1"
    assert seen.headers == [
        (b"Host", host),
        (b"X-Second", b"2"),
        (b"X-First", "ї".encode()),
        (b"x-empty", b""),
        (b"Cookie", b"own=1"),
        (b"User-Agent", f"Postbacks/{version('postbacks')}".encode()),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", b"gzip, deflate"),
        (b"Content-Length", b"11"),
    ]
    assert seen.body == "тіло\r\n\0".encode()


async def test_host_comes_first_whoever_says_it(courier: Courier) -> None:
    async with Receiver() as receiver:
        await courier.send(request(receiver.url(), headers={"X-A": "1", "host": "b.example"}))
        assert receiver.requests[0].headers[:2] == [(b"Host", b"b.example"), (b"X-A", b"1")]


async def test_a_post_without_text_says_so_and_a_get_has_no_length(either: Sender) -> None:
    async with Receiver() as receiver:
        await either.send(_post(receiver.url(), ""))
        await either.send(_get(receiver.url()))
        post, get = receiver.requests
    assert (post.header(b"Content-Length"), post.body) == (b"0", b"")
    assert get.header(b"Content-Length") is None
    assert get.header(b"Content-Type") is None


async def test_a_large_body_arrives_whole(either: Sender) -> None:
    async with Receiver() as receiver:
        await either.send(_post(receiver.url(), "ж" * 131_072))
        assert receiver.requests[0].body == b"\xd0\xb6" * 131_072


async def test_environment_proxies_are_not_used(either: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert (await _answer(either, answer(200))).status == 200


async def test_many_requests_at_once_each_get_their_own_answer(either: Sender) -> None:
    async def echo(exchange: Exchange) -> None:
        exchange.keep_open = True
        body = exchange.received.target
        await asyncio.sleep(0.01)
        await exchange.write(_OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async with Receiver(echo) as receiver:
        links = [receiver.url(f"/{number}") for number in range(100)]
        said = await asyncio.gather(*(either.send(_get(link)) for link in links))
    assert [one.body for one in said if isinstance(one, Answer)] == [f"/{n}".encode() for n in range(100)]


async def test_cancelling_a_send_closes_its_connection(either: Sender) -> None:
    async with Receiver(never()) as receiver:
        sending = asyncio.create_task(either.send(_get(receiver.url())))
        await receiver.arrived(1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await receiver.all_closed()


async def test_durations_are_read_from_the_clock_that_was_given() -> None:
    ticks = iter([100.0, 100.25])
    async with Courier(Secrets({}), LOOPBACK.open_socket, clock=lambda: next(ticks)) as courier:
        said = await _answer(courier, answer(200))
    assert said.duration_ms == 250.0
