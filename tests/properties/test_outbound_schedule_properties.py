"""The tiers under a simulated clock: nothing goes back early, nothing is lost, no head blocks for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.outbound.schedule import WAITS_S, Ladder, wait_ms
from app.topics import topics_of

_DELAYS = ("5s", "1m", "10m", "1h", "6h")
_START = 1_764_000_000_000
_DAY_MS = 86_400_000

_waits = st.one_of(st.integers(0, 20_000), st.integers(0, 3 * _DAY_MS))


@given(st.text(max_size=50), st.integers(1, 10_000), st.lists(st.floats(1, 30 * 86_400), max_size=5))
def test_a_wait_is_within_a_fifth_of_what_is_written(
    request_id: str, attempt: int, waits_s: list[float]
) -> None:
    known = waits_s or list(WAITS_S)
    base_ms = known[min(attempt, len(known)) - 1] * 1000
    assert base_ms * 0.8 - 1 <= wait_ms(request_id, attempt, waits_s) <= base_ms * 1.2 + 1


@dataclass
class Tiers:
    """One partition of every tier, and a mover over it; times are Unix milliseconds of one true clock."""

    delays: Sequence[str] = _DELAYS
    now: int = _START
    ladder: Ladder = field(init=False)
    topics: dict[int, deque[tuple[int, list[tuple[int, int]]]]] = field(init=False)
    back: list[tuple[int, int, int]] = field(default_factory=list)  # value, due, when it went back
    moves: int = 0

    def __post_init__(self) -> None:
        tiers = topics_of("p", 4, 7, self.delays).retries
        self.ladder = Ladder(tiers)
        self.topics = {tier.delay_ms: deque() for tier in tiers}

    @property
    def late_ms(self) -> int:
        """How late a value may go back while the mover runs: two of the smallest tier's delay, and slack."""
        return 3 * min(self.topics)

    def write(self, values: list[tuple[int, int]], timestamp: int | None = None) -> None:
        """Values, each with when it is due, in as many records as they have different tiers."""
        stamp = self.now if timestamp is None else timestamp
        by_tier: dict[int, list[tuple[int, int]]] = {}
        for value, due in values:
            by_tier.setdefault(self.ladder.tier_for(due - stamp).delay_ms, []).append((value, due))
        for delay, held in by_tier.items():
            self.topics[delay].append((stamp, held))

    def step(self, *, commits: bool = True) -> None:
        """What the mover does in one look at all heads; without its commit it will do the same again."""
        for delay, records in self.topics.items():
            taken = []
            while records and self._leaves_at(delay) <= self.now:
                taken.append(records.popleft())
            for record in taken:
                self._move(record[1])
            if not commits:
                records.extendleft(reversed(taken))

    def _leaves_at(self, delay: int) -> int:
        stamp, held = self.topics[delay][0]
        return self.ladder.leaves_at(delay, stamp, max(due for _, due in held), self.now)

    def _move(self, held: list[tuple[int, int]]) -> None:
        self.moves += len(held)
        self.back += [(value, due, self.now) for value, due in held if due <= self.now]
        self.write([(value, due) for value, due in held if due > self.now])

    def run_until(self, end: int) -> None:
        """The mover runs from now to `end`, from one head that is due to the next."""
        while True:
            self.step()
            coming = [self._leaves_at(delay) for delay, records in self.topics.items() if records]
            if not coming or min(coming) > end:
                self.now = max(self.now, end)
                return
            self.now = max(self.now, min(coming))

    def waiting(self) -> list[int]:
        return [value for records in self.topics.values() for _, held in records for value, _ in held]


class TiersMachine(RuleBasedStateMachine):
    """Writes, kills of the mover between its copies and its commit, times without one, clocks that jump."""

    def __init__(self) -> None:
        super().__init__()
        self.tiers = Tiers()
        self.due: dict[int, int] = {}
        self.owed: dict[int, int] = {}  # when each value is due, or was written if that came later
        self.mover_since = _START
        self.kills = 0

    def _values(self, waits: list[int], at: int) -> list[tuple[int, int]]:
        made = [(len(self.due) + index, at + wait) for index, wait in enumerate(waits)]
        self.due |= dict(made)
        self.owed |= {value: max(due, self.tiers.now) for value, due in made}
        return made

    @rule(waits=st.lists(_waits, min_size=1, max_size=4))
    def write(self, waits: list[int]) -> None:
        self.tiers.write(self._values(waits, self.tiers.now))

    @rule(waits=st.lists(_waits, min_size=1, max_size=4), jump_ms=st.integers(-_DAY_MS, _DAY_MS))
    def write_by_a_clock_that_is_wrong(self, waits: list[int], jump_ms: int) -> None:
        stamp = self.tiers.now + jump_ms
        made = self._values(waits, stamp)
        self.tiers.write(made, stamp)
        for value, due in made:  # one that is due already may lie in a tier for its delay
            self.owed[value] += self.tiers.ladder.tier_for(due - stamp).delay_ms

    @rule(time_ms=_waits)
    def run(self, time_ms: int) -> None:
        self.tiers.run_until(self.tiers.now + time_ms)

    @rule()
    def kill_between_copies_and_commit(self) -> None:
        self.tiers.step(commits=False)
        self.kills += 1

    @rule(time_ms=_waits)
    def be_without_a_mover(self, time_ms: int) -> None:
        self.tiers.now += time_ms
        self.mover_since = self.tiers.now
        self.tiers.step()

    @invariant()
    def nothing_goes_back_early_or_is_lost(self) -> None:
        assert all(due <= at for _, due, at in self.tiers.back)
        went = {value for value, _, _ in self.tiers.back}
        assert went | set(self.tiers.waiting()) == self.due.keys()
        if not self.kills:
            assert len(self.tiers.back) + len(self.tiers.waiting()) == len(self.due)

    @invariant()
    def nothing_stays_long_after_it_is_due(self) -> None:
        oldest = min((self.owed[value] for value in self.tiers.waiting()), default=self.tiers.now)
        assert self.tiers.now - max(oldest, self.mover_since) <= self.tiers.late_ms

    def teardown(self) -> None:
        self.tiers.run_until(max([self.tiers.now, *self.due.values()]) + self.tiers.late_ms)
        assert self.tiers.waiting() == []


TestTiers = TiersMachine.TestCase
TestTiers.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_a_request_that_never_succeeds_is_moved_so_often() -> None:
    """Moves in a tier for each retry of the default schedule, alone in its tiers, a mean of 200 requests."""
    figures = {}
    for attempt, wait_s in enumerate(WAITS_S, 1):
        tiers = Tiers()
        for number in range(200):
            tiers.topics = {delay: deque() for delay in tiers.topics}
            tiers.write([(number, tiers.now + wait_ms(f"r-{number}", attempt))])
            tiers.run_until(tiers.now + 2 * 36_000_000)
        assert len(tiers.back) == 200
        figures[attempt] = tiers.moves / 200
        print(f"retry {attempt} after {wait_s:g} s: {figures[attempt]:.1f} moves")
    print(f"in all {sum(figures.values()):.0f} moves in {sum(WAITS_S) / 3600:.1f} h")
    assert figures[1] == 1
    assert sum(figures.values()) < 100
