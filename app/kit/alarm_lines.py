"""Alarms as they are told: a line in the log when one begins, every 15 minutes while it goes on, and when it
is over; metrics all the while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from app.kit.alarms import CALM_MS, Alarm, Alarms, Change
from app.kit.clock import now_ms, steady_ms, utc
from app.kit.logs import logger
from app.kit.metrics import ALARM, ALARMS, ALARMS_ON

LOOK_S = 5.0


class AlarmLines:
    """Tells the alarms of one role."""

    def __init__(self, look_s: float = LOOK_S, calm_ms: int = CALM_MS) -> None:
        self._look_s = look_s
        self._alarms = Alarms(calm_ms=calm_ms)

    async def run(self, alarms: Callable[[], Iterable[Alarm]]) -> None:
        """Ask for all that is wrong every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(self._look_s)
            for change in self._alarms.look(steady_ms(), alarms()):
                _tell(change)
            for kind, count in self._alarms.counts.items():
                ALARMS_ON.labels(kind).set(count)


def _tell(change: Change) -> None:
    alarm = change.alarm
    where = {
        name: value
        for name, value in (("flow", alarm.flow), ("postback", alarm.postback), ("host", alarm.host))
        if value
    }
    since = utc(alarm.since_ms)
    if change.now == "is over":
        ALARM.remove(*alarm.key)
        lasted_s = max(0, now_ms() - alarm.since_ms) // 1000
        logger().info("alarm is over", alarm=alarm.kind, **where, since=since, lasted_s=lasted_s)
        return
    if change.now == "begins":
        ALARMS.labels(alarm.kind).inc()
        ALARM.labels(*alarm.key).set(1)
    # A host is asked by itself whether it is back, and nothing is lost meanwhile; the others want a person.
    tell = logger().warning if alarm.kind == "host_dark" else logger().error
    tell(
        "alarm",
        alarm=alarm.kind,
        now=change.now,
        what=alarm.what,
        **where,
        since=since,
        count=alarm.count,
        why=alarm.why,
        do=alarm.todo,
    )
