"""What the demo says in the end: how to look closer at what was seen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from app.demo.compare import Compared
from app.log.writer import database_of
from app.settings import Settings

_SQL = "SELECT outcome, count() FROM postback_log FINAL GROUP BY outcome FORMAT PrettyCompact"


def how_to_look_closer(
    compared: Compared, home: Settings, flows: Path, command: str, *, once: bool
) -> list[str]:
    """Sentences and, indented, commands; `command` is how this one is called from here.

    `once` says that nothing runs any more when they are read.
    """
    begin = f"To look closer let it run: {command} demo. Then" if once else "Look closer"
    return [
        f"{begin} in another terminal, in this folder:",
        *_commands(compared, home, command, once),
        *([] if once else [f"In a browser: {_page(home)}"]),
        f"The flows are in {flows}: edit one while it runs, and it is live within a second. "
        f"The log is {flows.parent / 'log'}.",
        *([] if once else ["It goes on running until Ctrl-C."]),
    ]


def _commands(compared: Compared, home: Settings, command: str, once: bool) -> list[str]:
    retried = next((line for line in compared.lines if len(line.rows) > 1), compared.lines[0])
    busiest = Counter(line.expected.lead for line in compared.lines).most_common(1)[0][0]
    request = next((row.request_id for row in retried.rows), "ID")
    found = [
        f"  {command} leads show {busiest}",
        f"  {command} logs list --lead {retried.expected.lead}",
        f"  {command} logs show {request}",
        f"  {command} stats",
    ]
    if not once:
        server = home.clickhouse.rpartition("/")[0]
        found.append(f"  curl http://{home.web_host}:{home.web_port}/metrics")
        found.append(f"  curl '{server}/?database={database_of(home.clickhouse)}' -d '{_SQL}'")
    return found


def _page(home: Settings) -> str:
    return f"http://{home.web_host}:{home.web_port}/logs/outgoing-postbacks"
