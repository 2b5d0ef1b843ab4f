"""Whatever happens: no alarm begins twice without an end, none is told too often, deliveries end it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.kit.alarms import CALM_MS, REPEAT_MS, Alarm, Alarms
from app.outbound.failing import WINDOW_MS, Failing

MINUTE_MS = 60_000
_hosts = st.sampled_from(["a", "b", "c"])
_looks = st.lists(st.tuples(st.integers(1, 20 * MINUTE_MS), st.sets(_hosts)), max_size=60)
_events = st.lists(st.tuples(st.integers(0, 4 * MINUTE_MS), st.booleans()), max_size=200)


def _alarm(host: str) -> Alarm:
    return Alarm("host_dark", "", 0, 1, "", "", host=host)


@given(_looks)
def test_no_alarm_begins_twice_without_an_end_and_none_is_told_too_often(
    looks: list[tuple[int, set[str]]],
) -> None:
    alarms, now_ms = Alarms(), 0
    told_ms: dict[str, int] = {}
    for step_ms, wrong in looks:
        now_ms += step_ms
        for change in alarms.look(now_ms, map(_alarm, wrong)):
            host = change.alarm.host
            if change.now == "begins":
                assert host not in told_ms
            else:
                assert change.now == "is over" or now_ms - told_ms[host] >= REPEAT_MS
            told_ms[host] = now_ms
            if change.now == "is over":
                del told_ms[host]
        assert wrong <= told_ms.keys()
        assert sum(alarms.counts.values()) == len(told_ms)


@given(_looks)
def test_every_alarm_ends_once_nothing_is_wrong(looks: list[tuple[int, set[str]]]) -> None:
    alarms, now_ms = Alarms(), 0
    for step_ms, wrong in looks:
        now_ms += step_ms
        alarms.look(now_ms, map(_alarm, wrong))
    on = sum(alarms.counts.values())
    assert [change.now for change in alarms.look(now_ms + CALM_MS, [])] == ["is over"] * on
    assert alarms.look(now_ms + 2 * CALM_MS, []) == []


@given(_events, st.integers(1, 12), st.sampled_from([0, MINUTE_MS]))
def test_only_what_fails_is_called_failing_and_a_delivery_always_ends_it(
    events: list[tuple[int, bool]], fewest: int, lasting_ms: int
) -> None:
    failing: Failing[str] = Failing(fewest, lasting_ms)
    now_ms, delivered_ms = 0, -WINDOW_MS
    failed_ms: list[int] = []
    for step_ms, is_good in events:
        now_ms += step_ms
        if is_good:
            failing.works("p", now_ms)
            failed_ms, delivered_ms = [], now_ms
        else:
            failing.fails("p", "why", now_ms)
            failed_ms.append(now_ms)
        called = [key for key, _ in failing.only_failing(now_ms)]
        lately = [at for at in failed_ms if now_ms - at < WINDOW_MS]
        if len(lately) >= fewest and now_ms - delivered_ms >= WINDOW_MS and now_ms - lately[0] >= lasting_ms:
            assert called == ["p"]
        if is_good or now_ms - delivered_ms < WINDOW_MS or len(failed_ms) < fewest:
            assert called == []
