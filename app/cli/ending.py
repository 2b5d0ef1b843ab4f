"""How a command begins and ends: its settings, one line on standard error, an exit status.

Kafka is asked for before the work: its clients would try an address that answers nothing for half a
minute, and tell each try.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn, TypeVar

from app.settings import Settings, doubts, environment, load

_REACH_S = 10.0  # a broker answers within milliseconds; a person waits for this
_PATIENCE_S = 30.0
_STOP_S = 5.0
_Got = TypeVar("_Got")


def fail(text: str, status: int = 1) -> NoReturn:
    """Say one line on standard error and end."""
    print(f"postbacks: {' '.join(text.split())}", file=sys.stderr)
    sys.exit(status)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on standard error, unless `yes`; without a yes on standard input the command ends."""
    if yes:
        return
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # nobody is there to answer
        print(file=sys.stderr)
    if answer.strip().lower() not in ("y", "yes"):
        fail("nothing was done; with --yes it does not ask")


def settings_told() -> Settings:
    """The settings; what is doubtful about them is a warning. Raises `SettingsFault`."""
    environ = environment()
    settings = load(environ)
    for doubt in doubts(environ):
        print(f"postbacks: warning: {doubt}", file=sys.stderr)
    return settings


def run_async(settings: Settings, work: Callable[[Settings], Awaitable[_Got]]) -> _Got:
    """Run what talks to Kafka; that Kafka is away or not set up is one line and status 1."""
    from aiokafka.errors import KafkaError

    from app.stream.migrate import TopicFault

    async def reach_and_work() -> _Got:
        await _reach(settings)
        return await work(settings)

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says is in the error, once
    try:
        return asyncio.run(reach_and_work())
    except TopicFault as fault:
        fail(str(fault))
    except KafkaError as error:
        fail(f"Kafka at {settings.kafka} (POSTBACKS_KAFKA): {kafka_told(error)}")


def reach_kafka(settings: Settings) -> None:
    """Return once Kafka has answered; that it does not is one line and status 1."""
    run_async(settings, _nothing)


async def _nothing(_: Settings) -> None:
    """Kafka was reached, and that is all."""


async def _reach(settings: Settings) -> None:
    from app.stream.kafka import new_admin

    try:
        admin = new_admin(settings)
    except OSError as error:  # an SSL error is one too
        fail(f"POSTBACKS_KAFKA_CA_FILE, _CERT_FILE or _KEY_FILE cannot be used: {error}", status=2)
    try:
        async with asyncio.timeout(_REACH_S):
            await admin.start()
    except TimeoutError:
        fail(f"Kafka at {settings.kafka} (POSTBACKS_KAFKA) does not answer within {_REACH_S:g} s")
    finally:
        await admin.close()


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[Any]:
    """Our producer, started and stopped again, also where Kafka went away meanwhile."""
    from app.stream.kafka import new_producer

    producer = new_producer(settings)
    await producer.start()
    try:
        yield producer
    finally:
        with suppress(TimeoutError):  # it would wait for Kafka without limit
            async with asyncio.timeout(_STOP_S):
                await producer.stop()


@asynccontextmanager
async def patience() -> AsyncIterator[None]:
    """Bound a wait for Kafka's word, since our producer waits without limit. Raises `KafkaTimeoutError`."""
    from aiokafka.errors import KafkaTimeoutError

    try:
        async with asyncio.timeout(_PATIENCE_S):
            yield
    except TimeoutError:
        raise KafkaTimeoutError from None


def kafka_told(error: Exception) -> str:
    """What an error of aiokafka says to a person."""
    from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

    if isinstance(error, KafkaTimeoutError):
        return "it does not answer any more"
    if isinstance(error, KafkaConnectionError):
        return "it cannot be reached; is it running, and are address, security and user right?"
    name, text = type(error).__name__, str(error)
    return text if text.startswith(name) else f"{name}: {text}" if text else name
