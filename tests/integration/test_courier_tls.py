"""TLS as the courier sees it: who is believed, and what is said of who is not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import warnings
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from app.kit.secrets import Secrets
from app.messages.request import Delivery
from app.outbound.answers import Answer, Failure
from app.outbound.connections import tls_context
from app.outbound.courier import Courier
from tests.outbound import LOOPBACK, request
from tests.receivers import Receiver, answer
from tests.wire import Everywhere

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_AUTHORITY = trustme.CA()
_STRANGER = trustme.CA()


def _server(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _client() -> ssl.SSLContext:
    context = tls_context()
    _AUTHORITY.configure_trust(context)
    return context


async def _send(
    server: ssl.SSLContext | None, host: str = "t.example", timeout_s: float = 5.0
) -> Answer | Failure:
    async with (
        Receiver(answer(200, b"ok"), tls=server) as receiver,
        Courier(
            Secrets({}), LOOPBACK.open_socket, tls=_client(), resolver=Everywhere({443: receiver.port})
        ) as courier,
    ):
        outcome = await courier.send(request(f"https://{host}/", delivery=Delivery(timeout_s=timeout_s)))
        if isinstance(outcome, Failure):
            assert receiver.requests == []
        return outcome


async def test_a_certificate_of_a_trusted_authority_for_the_host_is_believed() -> None:
    said = await _send(_server(_AUTHORITY.issue_cert("t.example")))
    assert isinstance(said, Answer)


async def test_a_trailing_dot_of_the_host_is_not_part_of_the_name() -> None:
    assert isinstance(await _send(_server(_AUTHORITY.issue_cert("t.example")), "t.example."), Answer)


async def test_a_certificate_for_another_name_is_refused() -> None:
    failure = await _send(_server(_AUTHORITY.issue_cert("other.example")))
    assert isinstance(failure, Failure)
    assert failure.kind == "tls"
    assert "Hostname mismatch" in failure.text
    assert "t.example" in failure.text


async def test_an_expired_certificate_is_refused() -> None:
    expired = _AUTHORITY.issue_cert("t.example", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    failure = await _send(_server(expired))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.text) == ("tls", "the certificate is refused: certificate has expired")


async def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    failure = await _send(_server(_STRANGER.issue_cert("t.example")))
    assert isinstance(failure, Failure)
    assert failure.kind == "tls"
    assert "unable to get local issuer certificate" in failure.text


async def test_a_self_signed_certificate_is_refused(tmp_path: Path) -> None:
    itself = trustme.CA()
    (tmp_path / "cert.pem").write_bytes(itself.cert_pem.bytes() + itself.private_key_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem")
    failure = await _send(context)
    assert isinstance(failure, Failure)
    assert failure.kind == "tls"
    assert "self-signed" in failure.text


async def test_an_older_version_than_1_2_is_refused() -> None:
    context = _server(_AUTHORITY.issue_cert("t.example"))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    failure = await _send_to_thread(context)
    assert (failure.kind, failure.text) == ("tls", "no TLS connection: TLSV1_ALERT_PROTOCOL_VERSION")


async def _send_to_thread(context: ssl.SSLContext) -> Failure:
    """To a blocking server, which sends its alert before it closes; asyncio's does not."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(asyncio.to_thread(serve))
        resolver = Everywhere({443: listening.getsockname()[1]})
        async with Courier(Secrets({}), LOOPBACK.open_socket, tls=_client(), resolver=resolver) as courier:
            failure = await courier.send(request("https://t.example/"))
        await serving
    assert isinstance(failure, Failure)
    return failure


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_1_2_and_1_3_are_spoken(version: ssl.TLSVersion) -> None:
    server = _server(_AUTHORITY.issue_cert("t.example"))
    server.minimum_version = server.maximum_version = version
    assert isinstance(await _send(server), Answer)


async def test_a_receiver_without_tls_is_told() -> None:
    failure = await _send(None, timeout_s=0.5)
    assert isinstance(failure, Failure)
    assert failure.kind in ("tls", "timeout")


async def _send_to(handler: Handler, timeout_s: float) -> Failure:
    """To something that takes a connection and does not speak TLS."""
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    resolver = Everywhere({443: server.sockets[0].getsockname()[1]})
    async with (
        server,
        Courier(Secrets({}), LOOPBACK.open_socket, tls=_client(), resolver=resolver) as courier,
    ):
        failure = await courier.send(request("https://t.example/", delivery=Delivery(timeout_s=timeout_s)))
        await closed.wait()
    assert isinstance(failure, Failure)
    return failure


async def test_a_receiver_that_closes_in_the_handshake_is_told() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    failure = await _send_to(close, 5.0)
    assert (failure.kind, failure.text) == ("tls", "no TLS connection: closed inside the handshake")


async def test_a_handshake_that_hangs_ends_with_the_deadline() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    failure = await _send_to(hang, 0.3)
    assert (failure.kind, failure.text) == ("timeout", "no connection within 0.3 s")
