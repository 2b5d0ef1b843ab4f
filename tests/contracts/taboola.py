"""Taboola's S2S postback: https://developers.taboola.com/pixel/docs/the-postback-url.

The page names no error; a postback without the two required parameters "will not be recorded", and is
answered like any other here. `counted` is what would be recorded.
"""

from __future__ import annotations

from tests.contracts import checks
from tests.contracts.checks import Counted, Wrong
from tests.contracts.vendor import Answer, Asked

CLICK = "GiBQ0-" + "aZ09_-" * 19
NAMES = ("lead", "make_purchase")


class Taboola:
    """An account with two conversions. Events are counted by click, name and order id."""

    def __init__(self) -> None:
        self.counted = Counted()
        self.thrown: list[str] = []

    def __call__(self, asked: Asked) -> Answer:
        """Take one conversion."""
        if asked.method != "GET" or asked.path != "/actions-handler/log/3/s2s-action":
            return Answer(404)
        try:
            self._take(dict(asked.query))
        except Wrong as wrong:
            self.thrown.append(str(wrong))
        return Answer(200)

    def _take(self, told: dict[str, str]) -> None:
        if unknown := told.keys() - {
            "click-id",
            "name",
            "revenue",
            "currency",
            "orderid",
            "quantity",
            "timestamp",
        }:
            raise Wrong(sorted(unknown)[0], "is not a parameter")
        if checks.text(told, "click-id") != CLICK:
            raise Wrong("click-id", "is unknown")
        checks.text(told, "name", "|".join(NAMES))
        checks.optional(told, "revenue", r"[0-9]+(\.[0-9]+)?")
        checks.optional(told, "currency", "[A-Z]{3}")
        key = told["click-id"], told["name"], told.get("orderid", "")
        self.counted.take(key, told, [])
