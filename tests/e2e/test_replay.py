"""`postbacks replay`: by ids and by what became of requests, as they were and rendered anew, each once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, answer
from tests.shell import Shell, one_line
from tests.workers import Installation, installation, lead_events, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_LEADS = [f"L-{number}" for number in range(8)]


async def _only_new(exchange: Exchange) -> None:
    await answer(200 if exchange.received.target.startswith(b"/new") else 404)(exchange)


async def _rows(made: Installation, postback: str, replay: int, count: int) -> list[Any]:
    what, where = "lead_id, outcome, attempt, reason", f"postback_id = '{postback}' AND replay = {replay}"
    return list(await until(lambda: made.rows(what, where, n=count), f"{where}: {count}"))


async def test_failed_requests_are_sent_again_each_once_as_they_were_or_rendered_anew(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(_only_new) as receiver:
        shell = Shell(tmp_path, made.environ)

        async def run(*arguments: str) -> Any:
            return await asyncio.to_thread(shell.run, *arguments)

        async def apply(path: str, comment: str) -> None:
            link = receiver.url(f"/{path}?lead={{id}}")
            postbacks = [
                {"id": "fb", "on": ["new"], "template": link, "retry": {"deadline_s": 3}},
                {"id": "long", "on": ["new"], "template": f"{link}&c={comment}"},
            ]
            await made.apply({"flow_id": "F-1", "postbacks": postbacks})

        await apply("old", "{comment}")
        worker = await made.start().ready()
        events = lead_events(_LEADS)
        await made.send(*({**event, "customer": {"comment": "x" * 9_000}} for event in events))
        failed = await _rows(made, "fb", 0, len(_LEADS))
        assert {outcome for _, outcome, *_ in failed} == {"failed"}
        await _rows(made, "long", 0, len(_LEADS))
        one_line(await run("replay"), 2, "say which requests")
        await asyncio.sleep(3)  # the deadline is over

        asked = await run("replay", "--flow", "F-1", "--postback", "fb")  # nobody says yes
        assert (asked.returncode, "8 requests" in asked.stdout) == (1, True), asked
        assert "8 are past their deadline" in asked.stdout
        assert len(receiver.requests) == len(_LEADS)

        again = await run("replay", "--flow", "F-1", "--postback", "fb", "--ignore-deadline", "--yes")
        assert "8 sent again" in again.stdout, again
        assert {row[1:3] for row in await _rows(made, "fb", 1, len(_LEADS))} == {("failed", 1)}
        late = await run("replay", "--flow", "F-1", "--postback", "fb", "--lead", "L-0", "--yes")
        assert late.returncode == 0, late
        [(_, outcome, attempt, reason)] = await _rows(made, "fb", 2, 1)
        assert (outcome, attempt, "past the deadline" in reason) == ("failed", 0, True)
        assert len(receiver.requests) == 2 * len(_LEADS)

        never = await run("replay", "--postback", "long", "--yes")
        assert (never.returncode, "it was never rendered" in never.stdout) == (1, True), never
        await apply("new", "{comment|substr:0,10}")
        anew = await run(
            *("replay", "--flow", "F-1", "--verdict", "final", "--rerender"),
            *("--ignore-deadline", "--yes", "--json"),
        )
        assert json.loads(anew.stdout.splitlines()[-1]) == {"replayed": 7, "not_sent": 0}, anew
        assert "/new?lead=" in anew.stdout
        rest = ("--outcome", "failed", "--rerender", "--ignore-deadline")
        both = await run("replay", "--flow", "F-1", *rest, "--yes")
        assert "9 sent again" in both.stdout, both
        await until(
            lambda: made.rows("lead_id", "outcome = 'delivered'", n=16), f"delivered: {worker.tail()}"
        )
        delivered = Counter(r.target for r in receiver.requests if r.target.startswith(b"/new"))
        assert (len(delivered), set(delivered.values())) == (16, {1})

        [(one,)] = await made.rows("request_id", "lead_id = 'L-1' AND postback_id = 'fb' AND replay = 0")
        assert (await run("replay", one, "--ignore-deadline", "--yes")).returncode == 0
        await until(
            lambda: made.rows("replay", f"request_id = '{one}' AND outcome = 'failed' AND replay = 3", n=1),
            f"as it was, to where it was: {worker.tail()}",
        )
        assert (await run("replay", "no-such-id", "--yes")).stdout == "0 requests\n"
