"""Compare a network's list with what was sent, click by click. Pure.

A network has each conversion once, as it is now; we sent each change. So the newest that was delivered of a
click is compared, with whatever the list says of the click. Its words for a status may mean one of several of
ours (`pending` is `new` or `hold`); a payout is compared to the cent at least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple

from app.leads.malformed import STATUSES
from app.queries.networklist import Line

Kind = Literal["they lack", "not sent", "differs", "twice"]
_WORDS = {
    "new": "new wait pending lead open created received registered registration install processing",
    "hold": "hold on_hold pending processing in_progress review waiting accepted",
    "approve": "approve approved confirm confirmed sale sold accepted paid success completed conversion "
    "purchase deposit",
    "cancel": "cancel cancelled canceled reject rejected decline declined refused void",
    "trash": "trash invalid spam fraud duplicate fake rejected declined",
}
WORDS: Mapping[str, frozenset[str]] = {
    word: frozenset(status for status, words in _WORDS.items() if word in words.split())
    for words in _WORDS.values()
    for word in words.split()
}
"""What networks call a status, and which of ours it may be."""
AGAIN = ("delivered", "failed", "blocked")
"""What became of a request that may be sent again; any other is still on its way, or was thrown away."""


class Ours(NamedTuple):
    """A request that was made for a click, as it is now."""

    request_id: str
    lead_id: str
    event: str
    outcome: str
    reason: str
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What was found about a click; empty texts and None are nothing. `line` is that of the list."""

    kind: Kind
    click_id: str
    why: str
    our_status: str = ""
    our_payout: Decimal | None = None
    our_outcome: str = ""
    their_status: str = ""
    their_payout: Decimal | None = None
    line: int | None = None
    lead_id: str = ""
    request_id: str = ""


@dataclass
class Counts:
    """How many clicks are what; `words` are statuses of the list that nobody here knows."""

    same: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    again: list[str] = field(default_factory=list)  # the requests that they lack and that may be sent again


class Reconciliation:
    """Takes our clicks one after the other; what is left of the list then was not sent."""

    def __init__(self, lines: Mapping[str, Sequence[Line]], words: Mapping[str, frozenset[str]]) -> None:
        """`lines` are the list's by click id, `words` say what its statuses may mean."""
        self._left = dict(lines)
        self._words = words
        self.counts = Counts()

    def click(self, click_id: str, ours: Sequence[Ours]) -> list[Entry]:
        """What is to be said of a click for which requests were made, given oldest first."""
        theirs = self._left.pop(click_id, ())
        made = [one for one in ours if one.outcome != "skipped"]
        if not theirs:
            return self._lacking(click_id, made)
        delivered = [one for one in made if one.outcome == "delivered"]
        found = self._twice(click_id, theirs)
        if delivered:
            found += self._differing(click_id, delivered, theirs)
        else:
            last = (made or ours)[-1]
            why = f"{last.outcome}: {last.reason}" if last.reason else last.outcome
            found.append(self._entry("not sent", click_id, why, last, theirs[-1]))
        if not found:
            self.counts.same += 1
        return found

    def left(self) -> Iterator[tuple[str, Sequence[Line]]]:
        """The list's clicks for which no request was made."""
        return iter(self._left.items())

    def never_made(self, click_id: str, theirs: Sequence[Line], why: str) -> list[Entry]:
        """What is to be said of such a click."""
        entry = self._entry("not sent", click_id, why, None, theirs[-1])
        return [*self._twice(click_id, theirs), entry]

    def _lacking(self, click_id: str, made: Sequence[Ours]) -> list[Entry]:
        if not made:
            return []
        self.counts.again += [one.request_id for one in made if one.outcome in AGAIN]
        last = made[-1]
        why = "delivered, and not in the list" if last.outcome == "delivered" else last.reason
        return [self._entry("they lack", click_id, why, last, None)]

    def _differing(self, click_id: str, delivered: Sequence[Ours], theirs: Sequence[Line]) -> list[Entry]:
        told = [one for one in delivered if one.event in STATUSES]
        priced = [one for one in delivered if one.price is not None]
        found = []
        if told and not self._is_status(told[-1].event, theirs):
            found.append(self._entry("differs", click_id, "status", told[-1], theirs[-1]))
        payouts = [line.payout for line in theirs if line.payout is not None]
        if priced and payouts and not any(_is_payout(priced[-1].price, payout) for payout in payouts):
            found.append(self._entry("differs", click_id, "payout", priced[-1], theirs[-1]))
        return found

    def _is_status(self, ours: str, theirs: Sequence[Line]) -> bool:
        """Whether one of theirs may mean ours; an unknown word says nothing."""
        words = [line.status for line in theirs if line.status]
        unknown = [word for word in words if word not in self._words and word != ours]
        self.counts.words.update(unknown)
        meant = [word == ours or ours in self._words.get(word, ()) for word in words if word not in unknown]
        return any(meant) or not meant

    def _twice(self, click_id: str, theirs: Sequence[Line]) -> list[Entry]:
        counts = Counter(line.status for line in theirs)
        return [
            self._entry("twice", click_id, f"{count} lines", None, _last(theirs, status))
            for status, count in counts.items()
            if count > 1
        ]

    def _entry(self, kind: Kind, click_id: str, why: str, ours: Ours | None, theirs: Line | None) -> Entry:
        self.counts.kinds[kind] += 1
        entry = Entry(kind, click_id, why)
        if ours is not None:
            entry = replace(
                entry,
                our_status=ours.event,
                our_payout=ours.price,
                our_outcome=ours.outcome,
                lead_id=ours.lead_id,
                request_id=ours.request_id,
            )
        if theirs is not None:
            status = theirs.status or ""
            entry = replace(entry, their_status=status, their_payout=theirs.payout, line=theirs.line)
        return entry


def _last(lines: Sequence[Line], status: str | None) -> Line:
    return [line for line in lines if line.status == status][-1]


def _is_payout(ours: Decimal | None, theirs: Decimal) -> bool:
    """Whether ours, rounded to as many digits as theirs has and to the cent at least, is theirs."""
    assert ours is not None
    exponent = theirs.as_tuple().exponent
    digits = max(2, -exponent if isinstance(exponent, int) else 0)
    try:
        return round(ours, digits) == theirs
    except InvalidOperation:
        return ours == theirs
