"""What the machine is offered, and what it decides. Times are Unix milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeAlias, TypeVar

T = TypeVar("T")

Lane: TypeAlias = tuple[str, str, str]
"""Lead, flow and postback: what is sent one after the other."""

Why = Literal["circuit", "paused", "queue", "rate", "lane"]
"""Why a request is put off: its host fails, asked to wait or has too many waiting; its rate; its lane."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate that a postback asks for, by flow and postback; the newest `version` of the flow counts."""

    key: tuple[str, str]
    per_s: float
    version: int


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """One request as the machine sees it; `item` is the caller's own.

    `name` tells it from other requests and is the same in each of its copies. `seq` is the lead's count
    of events, `is_first` says that no attempt was made, `put_offs` how often in a row it was put off.
    """

    item: T
    host: str
    lane: Lane
    name: str
    seq: int = 0
    is_first: bool = True
    put_offs: int = 0
    rate: Rate | None = None
    offered_ms: int = field(default=0, init=False)
    started_ms: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class Start(Generic[T]):
    """Send it now; `Hosts.done` follows, whatever comes of it."""

    job: Job[T]


@dataclass(frozen=True, slots=True)
class PutOff(Generic[T]):
    """Write it away until `due_ms` and offer it again then."""

    job: Job[T]
    due_ms: int
    why: Why


Kind = Literal["works", "errs", "fails", "throttles", "nothing"]
"""What a send says of its host: it answered; it answered 5xx; it gave no answer; it asked to slow down;
nothing, because nothing was sent to it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a send that took `took_ms`; a host that throttles asked to wait `wait_ms`, if it did."""

    kind: Kind
    wait_ms: int | None = None
    took_ms: float = 0.0


NOTHING = Report("nothing")


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """A host's circuit opened, until `until_ms` at first, or closed (None)."""

    host: str
    until_ms: int | None
