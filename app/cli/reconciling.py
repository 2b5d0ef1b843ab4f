"""What `reconcile` does: read the list, compare it, say what differs, send again what they lack."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from app.cli.clickhouse import MAX_EXECUTION_S, ask
from app.cli.ending import fail
from app.cli.printing import console, print_json, progress, visible
from app.cli.replaying import Asked as Again
from app.cli.replaying import replay
from app.queries.again import Chosen
from app.queries.clicks import OfPostback, clicks_of, count_of, why_never_made
from app.queries.filters import Filters
from app.queries.networklist import BadLine, Line, ListFault, read_list
from app.queries.reconcile import Entry, Reconciliation
from app.web.downloads import csv_line

_MOST_SHOWN = 20
_MOST_BAD = 10
_ASKED_AT_ONCE = 1_000
_KINDS = {
    "they lack": "a request was made, and the list has none",
    "not sent": "the list has them, and nothing of ours was delivered",
    "differs": "the list has another status or payout",
    "twice": "the list has them twice with the same status",
}
_COLUMNS = tuple(one.name for one in fields(Entry))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command is asked."""

    of_postback: OfPostback
    file: Path
    columns: Mapping[str, str]
    words: Mapping[str, frozenset[str]]
    csv: Path | None
    replay: bool
    rate_per_s: float
    rerender: bool
    ignore_deadline: bool
    yes: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """The list as it was read: by click, and the lines that could not be."""

    lines: Mapping[str, Sequence[Line]]
    bad: Sequence[BadLine]


def run_reconcile(asked: Asked) -> None:
    """Compare, say, and replay if that is asked for."""
    listed = _listed(asked)
    reconciliation = Reconciliation(listed.lines, asked.words)
    with ExitStack() as stack:
        tell = _Telling(asked, stack)
        nameless = ask(lambda client: _compare(client, asked, reconciliation, tell))
        tell.show()
    _print_counts(reconciliation, listed, nameless, asked)
    again = reconciliation.counts.again
    if asked.replay and again:
        chosen = Chosen(Filters(), tuple(again), ())
        replay(
            Again(chosen, asked.rate_per_s, asked.rerender, asked.ignore_deadline, asked.yes, asked.as_json)
        )
    elif again and not asked.as_json:
        print(f"--replay sends again what they lack: {len(again)} requests")


def _listed(asked: Asked) -> Listed:
    lines: dict[str, list[Line]] = {}
    bad = []
    try:
        content = sys.stdin.buffer.read() if str(asked.file) == "-" else asked.file.read_bytes()
        for found in read_list(content, asked.columns):
            if isinstance(found, BadLine):
                bad.append(found)
            else:
                lines.setdefault(found.click, []).append(found)
    except OSError as error:
        fail(f"{asked.file}: {error.strerror}", status=2)
    except ListFault as fault:
        fail(f"{asked.file}: {fault}", status=2)
    return Listed(lines, bad)


async def _compare(client: Any, asked: Asked, reconciliation: Reconciliation, tell: _Telling) -> int:
    """Tell every click that is not the same; returns how many of our requests have no click id."""
    count, nameless = await count_of(client, asked.of_postback, max_execution_s=MAX_EXECUTION_S)
    with progress("comparing", count) as move:
        done = 0
        async for ours in clicks_of(client, asked.of_postback, count, max_execution_s=MAX_EXECUTION_S):
            for click_id, made in ours.items():
                tell(reconciliation.click(click_id, made))
                done += len(made)
                move(done)
    async for entries in _never_made(client, asked, reconciliation):
        tell(entries)
    return nameless


async def _never_made(
    client: Any, asked: Asked, reconciliation: Reconciliation
) -> AsyncIterator[list[Entry]]:
    left = list(reconciliation.left())
    for at in range(0, len(left), _ASKED_AT_ONCE):
        part = left[at : at + _ASKED_AT_ONCE]
        clicks = [click_id for click_id, _ in part]
        why = await why_never_made(client, asked.of_postback, clicks, max_execution_s=MAX_EXECUTION_S)
        for click_id, lines in part:
            yield reconciliation.never_made(click_id, lines, why[click_id])


class _Telling:
    """Takes what is found as it is found: all for programs and for the file, some for people."""

    def __init__(self, asked: Asked, stack: ExitStack) -> None:
        self._asked = asked
        self._shown: Counter[str] = Counter()
        self._lines: list[str] = []
        self._out: BinaryIO | None = None
        if asked.csv is not None:
            try:
                self._out = stack.enter_context(asked.csv.open("wb"))
            except OSError as error:
                fail(f"--csv {asked.csv}: {error.strerror}", status=2)
            self._out.write(b"\xef\xbb\xbf" + csv_line(_COLUMNS))

    def __call__(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if self._out is not None:
                self._out.write(csv_line([getattr(entry, name) for name in _COLUMNS]))
            if self._asked.as_json:
                print_json([asdict(entry)])
            elif self._shown[entry.kind] < _MOST_SHOWN:
                self._shown[entry.kind] += 1
                self._lines.append(_told(entry))

    def show(self) -> None:
        """Print what people are shown; while a bar moves it would be in its way."""
        out = console()
        for line in self._lines:
            out.print(visible(line), soft_wrap=True)


def _told(entry: Entry) -> str:
    ours = _side("ours", entry.our_status, entry.our_payout, entry.our_outcome)
    theirs = _side(
        "theirs", entry.their_status, entry.their_payout, f"line {entry.line}" if entry.line else ""
    )
    request = f"request {entry.request_id}" if entry.request_id else ""
    return f"{entry.kind}: " + ", ".join(filter(None, (entry.click_id, entry.why, ours, theirs, request)))


def _side(name: str, status: str, payout: Decimal | None, more: str) -> str:
    price = "" if payout is None else f"{payout.normalize():f}"
    told = " ".join(filter(None, (status, price, more)))
    return f"{name} {told}" if told else ""


def _print_counts(reconciliation: Reconciliation, listed: Listed, nameless: int, asked: Asked) -> None:
    counts = reconciliation.counts
    if asked.as_json:
        kinds = {kind.replace(" ", "_"): counts.kinds[kind] for kind in _KINDS}
        bad = [one._asdict() for one in listed.bad]
        print_json(
            [
                {"same": counts.same, **kinds, "again": len(counts.again), "no_click_id": nameless,
                 "unknown_statuses": dict(counts.words), "bad_lines": len(bad), "bad": bad[:1_000]}
            ]
        )  # fmt: skip
        return
    out = console()
    out.print(f"{counts.same} clicks are the same")
    for kind, what in _KINDS.items():
        if count := counts.kinds[kind]:
            more = f"; {_MOST_SHOWN} are shown, --csv OUT has all" if count > _MOST_SHOWN else ""
            out.print(f"{count} {kind}: {what}{more}", soft_wrap=True)
    if nameless:
        out.print(f"{nameless} of our requests have no click id and are not compared")
    for word, count in counts.words.most_common(_MOST_BAD):
        out.print(
            visible(f"{count} say {word!r}, a status nobody here knows: --statuses {word}=…"), soft_wrap=True
        )
    for one in listed.bad[:_MOST_BAD]:
        print(f"postbacks: warning: {asked.file}:{one.line}: {one.reason}", file=sys.stderr)
    if listed.bad:
        print(f"postbacks: warning: {len(listed.bad)} lines cannot be used", file=sys.stderr)
