"""Vendors as local servers, and presets sent to them through JOIN, OUTBOUND and LOG.

A vendor is a function that gets one request and answers as the vendor documents, refusals included. Every
host name leads to one TLS server here, so the presets are sent as they are shipped: nothing in them is
rewritten but the names of secrets, which are a case's own.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pprint import pformat
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import trustme

from app.presets.catalogue import presets
from app.presets.fill import add
from app.presets.preset import Preset
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Received, Receiver, Script, answer
from tests.workers import Installation, WorkerProcess, installation, until


@dataclass(frozen=True)
class Asked:
    """A request as a vendor reads it: names of headers in lower case, pairs decoded."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The JSON value of the body; None when it is none or is not said to be JSON."""
        if not self.headers.get("content-type", "").startswith("application/json"):
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def form(self) -> dict[str, str]:
        """The pairs of a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Answer:
    """What a vendor answers; a `body` that is no text or bytes is sent as JSON."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def ago(seconds: float) -> str:
    """An `occurred_at` so long ago: a fixed day would be past its deadline one day."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


Vendor = Callable[[Asked], Answer]
Then = Callable[[Installation, WorkerProcess], Awaitable[None]]


class Row(NamedTuple):
    """The row of an event's first attempt, as far as it is compared; `why` stands in its reason."""

    event: str
    outcome: str
    verdict: str = ""
    why: str = ""


@dataclass(frozen=True)
class Case:
    """A preset in a flow of its own, what happens to its leads, and the rows that must come of it.

    Events lack ids where those do not matter: then they are of one lead, `<name>`. `params` and `secrets`
    stand in place of the examples. `last` cases are sent once the others are over: they make a host wait.
    """

    preset: str
    name: str
    events: Sequence[Mapping[str, Any]]
    rows: Sequence[Row]
    params: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    last: bool = False

    def flow(self, secrets: Mapping[str, str]) -> dict[str, Any]:
        """The flow with the preset in it, its secrets named for this case."""
        preset = presets()[self.preset]
        made = add({"flow_id": self.name, "postbacks": []}, preset, self.given(preset)).config
        text = json.dumps(made)
        for name in secrets:
            text = re.sub(
                rf'(secret\.|hmac:|"sign_with": "){re.escape(name)}(?=[|}}",])',
                rf"\1{self.secret(name)}",
                text,
            )
        told: dict[str, Any] = json.loads(text)
        return told

    def given(self, preset: Preset) -> dict[str, str]:
        """The parameters: the preset's examples, and this case's."""
        return {param.name: param.example for param in preset.params} | dict(self.params)

    def secret(self, name: str) -> str:
        """The name that a secret has in this case."""
        return f"{name}_{self.name}".replace("-", "_")

    def lead_events(self) -> list[dict[str, Any]]:
        """The lead events, their ids filled in."""
        return [
            {"event_id": f"{self.name}-{index}", "lead_id": self.name, "flow_id": self.name, **event}
            for index, event in enumerate(self.events)
        ]


def asked_of(received: Received) -> Asked:
    """A request as it came, read."""
    method, target, _ = received.line.decode().split(" ")
    parts = urlsplit(target)
    headers = {name.decode().lower(): value.decode() for name, value in received.headers}
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Asked(method, headers["host"], parts.path, query, headers, received.body)


def _answers(vendors: Mapping[str, Vendor], seen: list[tuple[Asked, Answer]]) -> Script:
    async def play(exchange: Exchange) -> None:
        asked = asked_of(exchange.received)
        answered = vendors[asked.host](asked)
        seen.append((asked, answered))
        await answer(answered.status, answered.content, answered.headers.items())(exchange)

    return play


async def exchange(
    cases: Iterable[Case],
    vendors: Mapping[str, Vendor],
    secrets: Mapping[str, str],
    kafka: Kafka,
    database: Database,
    folder: Path,
    then: Then | None = None,
) -> list[tuple[Asked, Answer]]:
    """Send the cases' leads through one installation to the vendors, by host; check each case's rows.

    `secrets` are good ones, by the names that presets have for them. `then` goes on with the installation
    and its worker. Gives what was asked and answered, in the order of its arrival.
    """
    told = list(cases)
    seen: list[tuple[Asked, Answer]] = []
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*vendors).configure_cert(server)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    async with (
        installation(kafka, database, folder) as made,
        Receiver(_answers(vendors, seen), tls=server) as receiver,
    ):
        values = {f"POSTBACKS_SECRET_{n}": value for case in told for n, value in _secrets_of(case, secrets)}
        await made.apply(*(case.flow(secrets) for case in told))
        worker = await made.start(TEST_RESOLVE=f"{receiver.port}:{folder / 'ca.pem'}", **values).ready()
        for wave in (False, True):
            now = [case for case in told if case.last is wave]
            await made.send(*(event for case in now for event in case.lead_events()))
            await _rows_came(made, now, worker)
        if then is not None:
            await then(made, worker)
        await _no_secret_in_rows(made, values.values())
        assert await worker.stop() == 0, worker.tail()
    return seen


def _secrets_of(case: Case, secrets: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    return ((case.secret(name), value) for name, value in (dict(secrets) | dict(case.secrets)).items())


_WHAT = "flow_id, event, outcome, verdict, reason, url, request_body, response_status, response_body"


async def _rows_came(made: Installation, cases: Sequence[Case], worker: WorkerProcess) -> None:
    """Wait until each case has as many first rows as it expects, and compare all of them."""
    wanted = {case.name: len(case.rows) for case in cases}
    names = ", ".join(f"'{name}'" for name in wanted)
    found: dict[str, list[Any]] = {}

    async def all_there() -> bool:
        found.clear()
        for row in await made.rows(_WHAT, f"flow_id IN ({names}) AND attempt <= 1", "requested_at, lead_seq"):
            found.setdefault(row[0], []).append(row)
        return all(len(found.get(name, ())) >= count for name, count in wanted.items())

    await until(all_there, lambda: f"rows of {wanted}: {found} {worker.tail()}", 90)
    wrong = {case.name: told for case in cases if (told := _differences(case, found.get(case.name, [])))}
    assert not wrong, pformat(wrong)


def _differences(case: Case, rows: Sequence[Any]) -> list[Any]:
    if len(rows) != len(case.rows):
        return [f"{len(rows)} rows, not {len(case.rows)}", *rows]
    return [
        ([str(told)[:300] for told in row], wanted)
        for row, wanted in zip(rows, case.rows, strict=True)
        if (row[1], row[2]) != (wanted.event, wanted.outcome)
        or row[3] != (wanted.verdict or row[3])
        or wanted.why not in row[4]
    ]


async def _no_secret_in_rows(made: Installation, values: Iterable[str]) -> None:
    """No secret stands in a row, in whatever the vendor answered."""
    told = "\n".join(str(row) for row in await made.database.rows("SELECT * FROM postback_log"))
    assert not [value for value in values if value in told]
