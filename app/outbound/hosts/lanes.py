"""Lanes: what one lead sends to one postback goes one after the other, in the order in which it came."""

from __future__ import annotations

from collections import deque
from typing import Generic

from app.outbound.hosts.job import Job, Lane, T


class Lanes(Generic[T]):
    """The jobs of each lane: the first waits for its host or is in flight, the others are behind it."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Job[T]]] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    def length(self, lane: Lane) -> int:
        """How many jobs a lane has."""
        return len(self._lanes.get(lane, ()))

    def enter(self, job: Job[T]) -> bool:
        """Put a job at the end of its lane; says whether it is the first there."""
        jobs = self._lanes.setdefault(job.lane, deque())
        jobs.append(job)
        return len(jobs) == 1

    def leave(self, job: Job[T]) -> Job[T] | None:
        """Take a job out; returns the one that became the first by this."""
        jobs = self._lanes[job.lane]
        was_first = jobs[0] is job
        jobs.remove(job)
        if not jobs:
            del self._lanes[job.lane]
            return None
        return jobs[0] if was_first else None
