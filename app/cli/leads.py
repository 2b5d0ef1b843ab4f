"""`postbacks leads`: lead events into Kafka, and a lead's whole story back from ClickHouse."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from app.cli.clickhouse import MAX_EXECUTION_S, ask
from app.cli.ending import fail, kafka_told, patience, producing, run_async, settings_told
from app.cli.printing import JsonOption, print_json, progress
from app.cli.story import print_story
from app.leads.lines import BadLine, EventLine, read_lines
from app.queries.timeline import story_as_json
from app.settings import Settings

leads_app = typer.Typer(
    help="Leads: send their events, see what became of one.",
    epilog="Example: postbacks leads show L-1001",
    no_args_is_help=True,
)
_MOST_TOLD = 20
_MOST_OPEN = 10_000  # sent and not yet acknowledged: bounds the memory

Acked = Callable[[EventLine, Any], None]


@leads_app.command("send")
def send(
    file: Annotated[Path, typer.Argument(help="JSON lines, a lead event each; - is standard input.")],
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Send the sound lines of a broken file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check lead events, write them to Kafka, and end once Kafka has them all.

    The file is read to its end and checked first: of one with a wrong line nothing is sent. An event goes to
    the partition of its lead (murmur2 of the lead id). Sending a file again is safe: an event_id among a
    lead's last 64 changes nothing.

    Example: postbacks leads send events.jsonl
    """
    settings = settings_told()
    with _opened(file) as lines:
        good, bad = _checked(file, lines)
        if bad and not skip_bad:
            fail(
                f"{file}: {bad} of {good + bad} lines are wrong, nothing was sent; --skip-bad sends the rest",
                2,
            )
        run_async(settings, lambda settings: _send(settings, _sound(lines), good, as_json))
    if bad:
        fail(f"{file}: {bad} of {good + bad} lines are wrong and were not sent", status=2)


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, to be read twice; standard input is kept in a temporary file for that."""
    try:
        with tempfile.TemporaryFile() if str(file) == "-" else file.open("rb") as lines:
            if str(file) == "-":
                shutil.copyfileobj(sys.stdin.buffer, lines)
                lines.seek(0)
            yield lines
    except OSError as error:
        fail(f"{file}: {error.strerror}", status=2)


def _checked(file: Path, lines: Iterable[bytes]) -> tuple[int, int]:
    """How many lines are sound and how many wrong; the first wrong ones are told."""
    good = bad = 0
    with progress("checking", None) as tell:
        for line in read_lines(lines):
            tell(good + bad)
            if isinstance(line, EventLine):
                good += 1
                continue
            bad += 1
            if bad <= _MOST_TOLD:
                print(f"postbacks: {file}:{line.number}: {line.fault}", file=sys.stderr)
    if bad > _MOST_TOLD:
        print(f"postbacks: {file}: and {bad - _MOST_TOLD} more", file=sys.stderr)
    return good, bad


def _sound(lines: IO[bytes]) -> Iterator[EventLine]:
    lines.seek(0)
    return (line for line in read_lines(lines) if not isinstance(line, BadLine))


async def _send(settings: Settings, lines: Iterable[EventLine], total: int, as_json: bool) -> None:
    from aiokafka.errors import KafkaError

    from app.stream.migrate import check_topics

    topic = settings.topics.lead_events
    await check_topics(settings, [topic])
    partitions: list[int] = []
    with progress("sending", total) as tell:

        def acked(line: EventLine, where: Any) -> None:
            partitions.append(where.partition)
            tell(len(partitions))
            if as_json:
                print_json([_sent(line, where)])

        try:
            await _produce(settings, topic.name, lines, acked)
        except KafkaError as error:
            fail(
                f"Kafka at {settings.kafka} (POSTBACKS_KAFKA): {kafka_told(error)}; "
                f"it has {len(partitions)} of {total} events, send the file again: those that a lead knows "
                "change nothing"
            )
        except asyncio.CancelledError:
            print(f"postbacks: stopped, Kafka has {len(partitions)} of {total} events", file=sys.stderr)
            raise
    if not as_json:
        where = ", ".join(map(str, sorted(set(partitions))))
        what = "1 event" if len(partitions) == 1 else f"{len(partitions)} events"
        print(f"{what} sent to {topic.name}" + (f", partitions {where}" if where else ""))


def _sent(line: EventLine, where: Any) -> dict[str, Any]:
    return {
        "line": line.number,
        "event_id": line.event_id,
        "lead_id": line.lead_id,
        "topic": where.topic,
        "partition": where.partition,
        "offset": where.offset,
    }


async def _produce(settings: Settings, topic: str, lines: Iterable[EventLine], acked: Acked) -> None:
    """Send all lines and await the broker's word for each, in their order.

    Raises aiokafka's `KafkaError`, also when Kafka stays silent.
    """
    open_ones: deque[tuple[EventLine, asyncio.Future[Any]]] = deque()
    try:
        async with producing(settings) as producer:
            for line in lines:
                async with patience():
                    ack = await producer.send(topic, line.value, key=line.lead_id.encode())
                open_ones.append((line, ack))
                if len(open_ones) >= _MOST_OPEN:
                    await _next_ack(open_ones, acked)
            while open_ones:
                await _next_ack(open_ones, acked)
    finally:
        for line, ack in open_ones:
            if ack.done() and not ack.cancelled() and ack.exception() is None:
                acked(line, ack.result())


async def _next_ack(open_ones: deque[tuple[EventLine, asyncio.Future[Any]]], acked: Acked) -> None:
    line, ack = open_ones[0]
    async with patience():
        where = await ack
    open_ones.popleft()
    acked(line, where)


@leads_app.command("erase")
def erase(
    lead_id: Annotated[str, typer.Argument(metavar="ID", help="Lead id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a lead: forget it, send nothing more of it, delete its rows; says what remains and how long.

    Counts first. The roles join, outbound and log must run. Have its producer stop before: an event with a
    flow and a status that comes later begins the lead anew.

    Example: postbacks leads erase L-1001
    """
    from app.cli.erase import erase

    erase(lead_id, yes=yes, as_json=as_json)


@leads_app.command("show")
def show(
    lead_id: Annotated[str, typer.Argument(metavar="ID", help="Lead id.")], as_json: JsonOption = False
) -> None:
    """A lead as it is now and all that happened to it: events, requests, attempts, skips.

    It is computed from the events in ClickHouse, which LOG writes within a second.

    Example: postbacks leads show L-1001
    """
    from app.queries.leads import events_of_lead
    from app.queries.log import rows_of_lead
    from app.queries.story import tell

    async def find(client: Any) -> tuple[Any, Any]:
        return (
            await events_of_lead(client, lead_id, max_execution_s=MAX_EXECUTION_S),
            await rows_of_lead(client, lead_id, max_execution_s=MAX_EXECUTION_S),
        )

    settings = settings_told()
    events, rows = ask(find)
    if not events and not rows:
        fail(f"there is no lead {lead_id!r} in ClickHouse; postbacks logs list names some")
    story = tell(events, late_s=settings.late_s, ttl_ms=settings.lead_ttl_ms)
    if as_json:
        print_json([story_as_json(lead_id, story, rows)])
    else:
        print_story(lead_id, story, rows)
