"""A release that runs on in the web role while its page tells how far it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from app.outbound.release import Progress, Released


@dataclass
class Running:
    """One release: of how many, at which rate, how far, and how it ended."""

    total: int
    rate_per_s: float
    progress: Progress | None = None
    done: Released | None = None
    fault: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it ended, in whatever way."""
        return self.done is not None or bool(self.fault)

    @property
    def released(self) -> int:
        """How many were let go so far."""
        if self.done is not None:
            return self.done.released
        return self.progress.released if self.progress is not None else 0
