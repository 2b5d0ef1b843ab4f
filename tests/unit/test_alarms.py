"""What is an alarm and what is none: each kind, and how often each is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from app.join.rejections import FEWEST, MINUTE_MS, Rejections
from app.kit.alarms import CALM_MS, MOST_OF_A_KIND, REPEAT_MS, Alarm, Alarms
from app.kit.clock import utc
from app.messages.record import Address, LogRecord, Outcome
from app.messages.request import Delivery, Request
from app.messages.state import Postback, PostbackState
from app.outbound.deadlines import Deadlines
from app.outbound.failing import MOST, WINDOW_MS, Failing
from app.outbound.hosts.job import CircuitChange, Kind
from app.outbound.watch import DARK_MS, FEWEST_REQUESTS, Watch
from tests.outbound import OCCURRED_AT, ORIGIN, request

SET_MS = 1_764_000_000_000  # what Unix time is ahead of the steady clock
FB: Postback = ("F-7", "fb")
PARKED = PostbackState("parked", "3 refusals in a row: status 401", SET_MS, "w1")


class Worker:
    """A watch with a clock."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.at_ms = 0
        self.refused: dict[Postback, PostbackState] = {}

    def after(self, seconds: float) -> Worker:
        self.at_ms += round(seconds * 1000)
        return self

    def wrote(self, outcome: Outcome, host: Kind = "works", *, attempt: int = 1, n: int = 1) -> Worker:
        for _ in range(n):
            self.watch.wrote(_row(outcome, attempt), host, self.at_ms)
        return self

    def alarms(self) -> list[Alarm]:
        return self.watch.alarms(SET_MS + self.at_ms, self.at_ms, self.refused, set(self.refused))

    def kinds(self) -> list[str]:
        return [alarm.kind for alarm in self.alarms()]


def _row(outcome: Outcome, attempt: int = 1) -> LogRecord:
    return LogRecord(
        logged_at=0,
        requested_at=0,
        outcome=outcome,
        attempt_id="",
        source=Address(0, 0),
        source_topic="",
        reason=f"reason of {outcome}",
        attempt=attempt,
        flow_id=FB[0],
        postback_id=FB[1],
        host="t.example",
    )


def test_ten_failures_without_a_delivery_in_ten_minutes_are_an_alarm_and_nine_are_not() -> None:
    worker = Worker().wrote("retrying", n=FEWEST_REQUESTS - 1)
    assert worker.kinds() == []
    [alarm] = worker.after(60).wrote("failed").alarms()
    assert (alarm.kind, alarm.flow, alarm.postback, alarm.host) == ("postback_fails", *FB, "")
    assert (alarm.count, alarm.why, alarm.since_ms) == (10, "reason of failed", SET_MS)
    assert "postbacks logs list --flow F-7 --postback fb;" in alarm.todo


def test_ten_failures_over_more_than_ten_minutes_are_none() -> None:
    worker = Worker()
    for _ in range(30):
        assert worker.after(70).wrote("failed").kinds() == []


def test_a_delivery_less_than_ten_minutes_ago_is_a_sign_of_life() -> None:
    worker = Worker().wrote("delivered").after(300).wrote("failed", n=50)
    assert worker.kinds() == []
    assert worker.after(290).wrote("failed").kinds() == []
    assert worker.after(11).wrote("failed").kinds() == ["postback_fails"]


def test_a_postback_that_fails_is_called_so_until_it_delivers_however_seldom_it_is_tried() -> None:
    worker = Worker().wrote("failed", n=10)
    for _ in range(20):
        assert worker.kinds() == ["postback_fails"]
        worker.after(300).wrote("retrying")
    assert worker.wrote("delivered").kinds() == []


def test_what_nobody_uses_any_more_is_no_alarm() -> None:
    worker = Worker().wrote("failed", "fails", n=10).after(61).wrote("failed", "fails")
    assert sorted(worker.kinds()) == ["host_dark", "postback_fails"]
    assert worker.after(WINDOW_MS / 1000).kinds() == []


@pytest.mark.parametrize("outcome", ["skipped", "discarded"])
def test_what_is_not_sent_by_intention_is_no_failure(outcome: Outcome) -> None:
    assert Worker().wrote(outcome, "nothing", attempt=0, n=50).kinds() == []


def test_a_host_that_answers_nothing_for_a_minute_is_dark() -> None:
    worker = Worker().wrote("retrying", "fails", n=5)
    assert worker.kinds() == []
    [alarm] = worker.after(60).alarms()
    assert (alarm.kind, alarm.host, alarm.count) == ("host_dark", "t.example", 5)
    assert worker.wrote("failed", "works").kinds() == []


def test_a_host_that_refuses_or_throttles_everything_is_not_dark() -> None:
    worker = Worker()
    for kind in ("works", "throttles", "works"):
        worker.after(60).wrote("failed", kind, n=3)
    assert "host_dark" not in worker.kinds()


def test_a_host_that_worked_a_minute_ago_is_dark_once_its_circuit_is_open_for_a_minute() -> None:
    worker = Worker().wrote("delivered").after(1).wrote("retrying", "errs", n=5)
    worker.watch.circuit(CircuitChange("t.example", 5_000), worker.at_ms)
    assert worker.after(59).kinds() == []
    [alarm] = worker.after(1).alarms()
    assert (alarm.kind, alarm.count, alarm.since_ms) == ("host_dark", 5, SET_MS + 1_000)
    worker.watch.circuit(CircuitChange("t.example", None), worker.at_ms)
    assert worker.kinds() == []


def test_a_postback_that_this_worker_parked_is_an_alarm_until_it_is_active() -> None:
    worker = Worker().wrote("parked", n=3).wrote("parked", "nothing", attempt=0, n=40)
    worker.refused = {FB: PARKED}
    [alarm] = worker.alarms()
    assert (alarm.kind, alarm.count, alarm.why) == ("auth_refused", 43, PARKED.why)
    assert alarm.todo.endswith("postbacks release F-7 fb")
    worker.refused = {}
    assert worker.kinds() == []
    worker.refused = {FB: PARKED}
    assert worker.alarms()[0].count == 0


def test_a_parked_postback_is_not_said_to_fail_as_well() -> None:
    worker = Worker().wrote("retrying", n=10).wrote("parked")
    worker.refused = {FB: PARKED}
    assert worker.kinds() == ["auth_refused"]


def test_ids_of_any_kind_are_quoted_in_what_to_do() -> None:
    worker = Worker()
    worker.refused = {("F 7", "it's"): PARKED}
    assert worker.alarms()[0].todo.endswith("""postbacks release 'F 7' 'it'"'"'s'""")


def _due(request_id: str, due_at: int, **delivery: Any) -> Request:
    made = request(request_id=request_id, delivery=Delivery(timeout_s=5.0, **delivery))
    return msgspec.structs.replace(made, due_at=due_at)


HOUR_MS = 3_600_000


def _near(deadlines: Deadlines, at_ms: int, parked: Mapping[Postback, object] = {}) -> int:
    return sum(near.count for near in deadlines.near(OCCURRED_AT + at_ms, parked.__contains__).values())


@pytest.mark.parametrize(
    ("deadline_s", "near_ms", "over_ms"),
    [(3_600, HOUR_MS * 9 // 10, HOUR_MS), (30 * 3_600, 29 * HOUR_MS, 30 * HOUR_MS)],
)
def test_a_deadline_is_near_in_its_last_tenth_or_hour(deadline_s: float, near_ms: int, over_ms: int) -> None:
    deadlines = Deadlines()
    deadlines.waits(_due("r-1", OCCURRED_AT + 2 * over_ms, deadline_s=deadline_s))
    assert [_near(deadlines, at) for at in (near_ms - 1, near_ms, over_ms, over_ms + 1)] == [0, 1, 1, 0]
    assert not len(deadlines)


def test_what_comes_back_in_time_or_may_be_late_is_not_waited_for() -> None:
    deadlines = Deadlines()
    deadlines.waits(_due("r-1", OCCURRED_AT + HOUR_MS, deadline_s=10 * 3_600))
    deadlines.waits(msgspec.structs.replace(_due("r-2", OCCURRED_AT + 2 * HOUR_MS), ignore_deadline=True))
    assert not len(deadlines)


def test_what_is_kept_counts_until_it_comes_back_or_its_postback_is_active() -> None:
    deadlines = Deadlines()
    kept = [_due(f"r-{number}", OCCURRED_AT, deadline_s=3_600) for number in range(5)]
    for one in kept:
        deadlines.kept(one)
    parked = {(ORIGIN.flow_id, ORIGIN.postback_id): 1}
    assert _near(deadlines, HOUR_MS - 1, parked) == 5
    deadlines.back(kept[0])
    assert _near(deadlines, HOUR_MS - 1, parked) == 4
    assert _near(deadlines, HOUR_MS - 1) == 0
    assert not len(deadlines)


def test_a_deadline_that_is_near_says_how_many_wait_where_and_what_to_do() -> None:
    worker = Worker()
    worker.at_ms = OCCURRED_AT + HOUR_MS - 1 - SET_MS
    for number in range(7):
        worker.watch.deadlines.waits(_due(f"r-{number}", OCCURRED_AT + HOUR_MS, deadline_s=3_600))
    [alarm] = worker.alarms()
    assert (alarm.kind, alarm.flow, alarm.postback, alarm.count) == ("deadline_near", *FB, 7)
    assert utc(OCCURRED_AT + HOUR_MS) in alarm.what
    assert "postbacks replay --flow F-7 --postback fb --outcome failed --ignore-deadline" in alarm.todo


def _rejections(*a_minute: int) -> Rejections:
    rejections = Rejections(0)
    for minute, count in enumerate(a_minute):
        for _ in range(count):
            rejections.note("not JSON", minute * MINUTE_MS)
    return rejections


def _rises(*a_minute: int) -> bool:
    now_ms = (len(a_minute) - 1) * MINUTE_MS
    return bool(_rejections(*a_minute).alarms(SET_MS + now_ms, now_ms))


def test_rejected_events_rise_over_a_floor_and_over_three_times_the_usual() -> None:
    assert not _rises(*[0] * 60, FEWEST - 1)
    assert _rises(*[0] * 60, FEWEST)
    assert not _rises(*[20] * 60, 60)
    assert _rises(*[20] * 60, 61)
    assert _rises(FEWEST)
    assert not _rises(40, 40, 0)


def test_a_rise_is_over_two_minutes_later_or_once_it_is_usual() -> None:
    assert _rises(*[0] * 60, 50, 0)
    assert not _rises(*[0] * 60, 50, 0, 0)
    assert not _rises(*[0] * 60, *[50] * 25)


def test_the_rise_says_how_many_and_why() -> None:
    [alarm] = _rejections(0, 0, 30).alarms(SET_MS + 2 * MINUTE_MS, 2 * MINUTE_MS)
    assert (alarm.kind, alarm.count, alarm.why) == ("events_rejected", 30, "not JSON")
    assert "postbacks logs list --outcome rejected;" in alarm.todo


def _alarm(host: str = "t.example", since_ms: int = SET_MS) -> Alarm:
    return Alarm("host_dark", "", since_ms, 3, "timed out", "", host=host)


def _told(alarms: Alarms, looks: Mapping[int, list[Alarm]]) -> Iterator[tuple[int, str]]:
    for at_ms, wrong in looks.items():
        yield from ((at_ms, change.now) for change in alarms.look(at_ms, wrong))


def test_an_alarm_is_told_when_it_begins_each_quarter_of_an_hour_and_when_it_is_over() -> None:
    looks = {at * 1000: [_alarm()] for at in range(0, 2_000, 5)}
    looks |= {at * 1000: [] for at in range(2_000, 3_000, 5)}
    over_ms = 1_995_000 + CALM_MS
    assert list(_told(Alarms(), looks)) == [
        (0, "begins"),
        (REPEAT_MS, "goes on"),
        (2 * REPEAT_MS, "goes on"),
        (over_ms, "is over"),
    ]


def test_an_alarm_that_comes_and_goes_is_one_since_it_began_first() -> None:
    alarms = Alarms()
    looks = {at * 60_000: [_alarm(since_ms=at)] if at % 4 == 0 else [] for at in range(15)}
    assert list(_told(alarms, looks)) == [(0, "begins")]
    assert alarms.look(16 * 60_000, [_alarm(since_ms=16)])[0].alarm.since_ms == 0


def test_an_outage_of_everything_is_a_hundred_alarms_of_a_kind_and_not_a_thousand() -> None:
    alarms = Alarms()
    wrong = [_alarm(f"h{number}") for number in range(1_000)]
    assert len(alarms.look(0, wrong)) == MOST_OF_A_KIND
    assert alarms.look(1, wrong) == []
    assert alarms.counts == {"host_dark": MOST_OF_A_KIND}
    assert len(alarms.look(CALM_MS + 1, [])) == MOST_OF_A_KIND
    assert alarms.counts == {"host_dark": 0}


def test_memory_is_bounded_however_many_keys_there_are() -> None:
    failing: Failing[int] = Failing(1)
    for key in range(2 * MOST):
        failing.fails(key, "why", 0)
        failing.works(-key, 0)
    assert len(list(failing.only_failing(0))) == MOST
    assert len(failing._worked_ms) == MOST
    assert list(failing.only_failing(WINDOW_MS)) == []
    assert (len(failing._rows), len(failing._worked_ms)) == (0, 0)


def test_a_minute_of_darkness_is_counted_from_its_first_failure() -> None:
    worker = Worker().wrote("retrying", "fails").after(DARK_MS / 1000 - 1).wrote("retrying", "fails", n=2)
    assert worker.kinds() == []
    assert worker.after(1).kinds() == ["host_dark"]
