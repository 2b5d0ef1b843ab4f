"""What OUTBOUND raises an alarm about. Pure: both clocks are arguments.

- `postback_fails`: ten requests or sends failed, and none was delivered in the last ten minutes;
- `host_dark`: three sends failed over a minute or longer, and none was answered in the last ten minutes; or
  its circuit has been open for a minute;
- `auth_refused`: this worker parked the postback, because it was refused or asked to stop;
- `deadline_near`: requests wait while their deadline comes near (`deadlines`).

What a host answers below 500 is an answer (`health`): a host that refuses everything is not dark. Durations
are of the steady clock, `steady_ms`; deadlines and what people read of the other, `now_ms` (Unix ms).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from app.kit.alarms import Alarm
from app.kit.clock import utc
from app.messages.record import LogRecord
from app.messages.state import Postback, PostbackState
from app.outbound.deadlines import Deadlines, Near
from app.outbound.failing import Failing
from app.outbound.hosts.job import CircuitChange, Kind

FEWEST_REQUESTS = 10
FEWEST_SENDS_TO_A_HOST = 3
DARK_MS = 60_000


class Watch:
    """What one worker knows of its postbacks, hosts and deadlines."""

    def __init__(self, dark_ms: int = DARK_MS) -> None:
        self._dark_ms = dark_ms
        self._postbacks: Failing[Postback] = Failing(FEWEST_REQUESTS)
        self._hosts: Failing[str] = Failing(FEWEST_SENDS_TO_A_HOST, lasting_ms=dark_ms)
        self._opened_ms: dict[str, int] = {}
        self._kept: dict[Postback, int] = {}
        self.deadlines = Deadlines()

    def wrote(self, row: LogRecord, host: Kind, steady_ms: int) -> None:
        """A request has its row, and `host` is what its send said of its host. Half a microsecond."""
        postback = (row.flow_id, row.postback_id)
        if row.outcome == "delivered":
            self._postbacks.works(postback, steady_ms)
        elif row.outcome in ("retrying", "failed", "blocked") or (row.outcome == "parked" and row.attempt):
            self._postbacks.fails(postback, row.reason, steady_ms)
        if row.outcome == "parked":
            self._kept[postback] = self._kept.get(postback, 0) + 1
        if host in ("fails", "errs"):
            self._hosts.fails(row.host, row.reason, steady_ms)
        elif host != "nothing":
            self._hosts.works(row.host, steady_ms)

    def circuit(self, change: CircuitChange, steady_ms: int) -> None:
        """A host's circuit opened or closed."""
        if change.until_ms is None:
            self._opened_ms.pop(change.host, None)
        else:
            self._opened_ms[change.host] = steady_ms

    def alarms(
        self, now_ms: int, steady_ms: int, refused: Mapping[Postback, PostbackState], parked: set[Postback]
    ) -> list[Alarm]:
        """All that is wrong now. `refused` are those of the `parked` postbacks that this worker parked."""
        self._kept = {postback: count for postback, count in self._kept.items() if postback in parked}
        set_ms = now_ms - steady_ms
        near = self.deadlines.near(now_ms, parked.__contains__)
        return [
            *(self._refused(postback, state) for postback, state in refused.items()),
            *self._failing(set_ms, steady_ms, parked),
            *(self._near(postback, one, postback in parked) for postback, one in near.items()),
            *self._dark(set_ms, steady_ms),
        ]

    def _failing(self, set_ms: int, steady_ms: int, parked: set[Postback]) -> Iterator[Alarm]:
        for postback, row in self._postbacks.only_failing(steady_ms):
            if postback in parked:
                continue  # it sends nothing, and who parked it knows why
            flow, name = postback
            yield Alarm(
                "postback_fails",
                f"{row.count} failed and none was delivered",
                row.since_ms + set_ms,
                row.count,
                row.why,
                f"see what came back: postbacks logs list {_of(postback)}; when it works again, what had no "
                f"turn left: postbacks replay {_of(postback)} --outcome failed",
                flow=flow,
                postback=name,
            )

    def _dark(self, set_ms: int, steady_ms: int) -> Iterator[Alarm]:
        opened = {host: at for host, at in self._opened_ms.items() if steady_ms - at >= self._dark_ms}
        since = {host: row.since_ms for host, row in self._hosts.only_failing(steady_ms)} | opened
        for host, since_ms in since.items():
            row = self._hosts.row(host)
            count = row.count if row else 0
            yield Alarm(
                "host_dark",
                f"{count} sends failed and none was answered; it is asked now and then whether it is back",
                min(since_ms, row.since_ms if row else since_ms) + set_ms,
                count,
                row.why if row else "its circuit is open",
                f"see whether it is reached from here: postbacks doctor; what came back: "
                f"postbacks logs list --host {shlex.quote(host)}",
                host=host,
            )

    def _refused(self, postback: Postback, state: PostbackState) -> Alarm:
        flow, name = postback
        kept = self._kept.get(postback, 0)
        return Alarm(
            "auth_refused",
            f"parked: its requests are kept, {kept} by this worker since it started",
            state.since,
            kept,
            state.why,
            "have the credentials mended, then let them go: postbacks release "
            f"{shlex.quote(flow)} {shlex.quote(name)}",
            flow=flow,
            postback=name,
        )

    def _near(self, postback: Postback, near: Near, is_parked: bool) -> Alarm:
        flow, name = postback
        row = self._postbacks.row(postback)
        soon = (
            f"let go what is kept: postbacks release {shlex.quote(flow)} {shlex.quote(name)}"
            if is_parked
            else f"see what holds them up: postbacks logs list {_of(postback)}"
        )
        return Alarm(
            "deadline_near",
            f"{near.count} wait and fail unsent at their deadlines, the first at {utc(near.first_ms)}",
            near.since_ms,
            near.count,
            "its requests are kept while it is parked" if is_parked else row.why if row else "put off",
            f"{soon}; afterwards: postbacks replay {_of(postback)} --outcome failed --ignore-deadline",
            flow=flow,
            postback=name,
        )


def _of(postback: Postback) -> str:
    flow, name = postback
    return f"--flow {shlex.quote(flow)} --postback {shlex.quote(name)}"
