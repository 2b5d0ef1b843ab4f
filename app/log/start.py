"""Where LOG goes on reading a partition, from what ClickHouse has stored of it. Pure.

The committed offset may be behind what is stored (a crash between insert and commit), never the other way
round. A stored address that the partition does not reach means that the topic was made anew: its offsets
speak of other records, and to go on would skip as many as were stored before.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.log.rows import Found
from app.messages.record import Address


@dataclass(frozen=True)
class GoOn:
    """Read from `offset`; the values of that record up to index `stored_through` are stored already."""

    offset: int
    stored_through: int = -1


@dataclass(frozen=True)
class MadeAnew:
    """The topic is not the one that the stored rows come from; the text says what to do."""

    reason: str


def where_to_go_on(
    topic: str, partition: int, *, highest: Address | None, committed: int | None, end: int
) -> GoOn | MadeAnew:
    """Where to read a partition whose end offset is `end`, given the highest address stored of it.

    `committed` is the group's offset, None when it has none: then from the beginning (offset 0).
    """
    reached = max(highest.offset + 1 if highest else 0, committed or 0)
    if reached > end:
        return MadeAnew(
            f"topic {topic} was made anew: partition {partition} ends at offset {end}, and what is stored "
            f"reaches to {reached}. Use another POSTBACKS_PREFIX or another database, or empty the tables; "
            "nothing was skipped"
        )
    if highest is None or reached > highest.offset + 1:
        return GoOn(reached)
    return GoOn(highest.offset, highest.index)


def left_of(start: GoOn, offset: int, found: Found) -> Found:
    """What a record that is read holds behind what is stored."""
    if offset > start.offset:
        return found
    return found.behind(start.stored_through) if offset == start.offset else Found((), ())
