"""Keitaro, Binom, Voluum and RedTrack as far as they document what they take.

- Keitaro: https://docs.keitaro.io/en/conversions-and-postback/postback.html (parameters, transitions,
  rebills, `return`); the answer to a wrong subid is not documented, here it is a page without OK.
- Binom: https://docs.binom.org/postback-url.php.
- Voluum: https://doc.voluum.com/article/parameters-in-postback-urls, https://doc.voluum.com/en/upselling.html.
- RedTrack: https://help.redtrack.io/knowledgebase/kb/basic-setup-9785/ (types, duplicate postback modes).

None documents an answer to what is wrong but Keitaro's `return`: the others answer 200 and throw it away, and
a test looks at what they count.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.contracts import checks
from tests.contracts.checks import Wrong
from tests.contracts.vendor import Answer, Asked

KEITARO, BINOM, VOLUUM, REDTRACK = (
    *("keitaro.example.com", "binom.example.com", "yourcompany.voluumtrk.com", "yourcompany.rdtk.io"),
)
KEY = "4f1c9a7d2"
CLICK = "c384EFV6JHQODRN70575OK6UG5"
_AMOUNT = r"[0-9]+(\.[0-9]+)?"


class Tracker:
    """What a tracker counts, by its own key, and why it threw the rest away. `away` answers are lost."""

    def __init__(self) -> None:
        self.counted: dict[tuple[str, ...], dict[str, str]] = {}
        self.thrown: list[str] = []
        self.repeats = 0
        self.away = 0

    def count(self, key: tuple[str, ...], told: Mapping[str, str]) -> None:
        """Count a conversion; the same key again changes it."""
        self.repeats += self.counted.get(key) == told
        self.counted[key] = {**self.counted.get(key, {}), **told}

    def check(self, asked: Asked, path: str, names: tuple[str, ...]) -> dict[str, str]:
        """The parameters, each known and with a value, of a GET to the path."""
        if (asked.method, asked.path) != ("GET", path):
            raise Wrong(asked.path, "is nothing here")
        told = dict(asked.query)
        if unknown := told.keys() - set(names):
            raise Wrong(sorted(unknown)[0], "is not a parameter")
        if empty := [name for name, value in told.items() if not value]:
            raise Wrong(empty[0], "is empty")
        for name in ("payout", "sum"):
            checks.optional(told, name, _AMOUNT)
        return told


class Keitaro(Tracker):
    """Conversions by subid and tid, moved only as Keitaro moves them."""

    def __call__(self, asked: Asked) -> Answer:
        """Take one postback."""
        try:
            told = self.check(
                asked,
                f"/{KEY}/postback",
                ("subid", "status", "payout", "currency", "tid", "return"),
            )
            if checks.text(told, "subid") != CLICK:
                raise Wrong("subid", "Incorrect subid. Postback ignored.")
            checks.optional(told, "currency", "[a-z]{3}")
            status = told.setdefault("status", "sale")
            checks.text(told, "status", "lead|sale|rejected|rebill")
            key = told["subid"], told.get("tid", "")
            was = self.counted.get(key, {}).get("status", "lead")
            if status in _MOVES[was]:
                self.count(key, told)
        except Wrong as wrong:
            self.thrown.append(str(wrong))
            return Answer(404 if wrong.place == asked.path else 200, "<html>")
        if self.away:
            self.away -= 1
            return Answer(502)
        return Answer(200, told.get("return", ""))


_MOVES = {
    "lead": ("lead", "sale", "rejected"),
    "sale": ("sale", "rejected"),
    "rejected": ("rejected",),
    "rebill": ("rebill", "rejected"),
}


class Binom(Tracker):
    """Conversions by click."""

    def __call__(self, asked: Asked) -> Answer:
        """Take one postback."""
        try:
            names = ("cnv_id", "payout", "cnv_status", "cnv_status2", "cnv_currency", "disable_postback")
            told = self.check(asked, "/click.php", names)
            if checks.text(told, "cnv_id") != CLICK:
                raise Wrong("cnv_id", "is unknown")
            checks.optional(told, "cnv_currency", "[a-z]{3}")
            self.count((told["cnv_id"],), told)
        except Wrong as wrong:
            self.thrown.append(str(wrong))
            return Answer(404 if wrong.place == asked.path else 200)
        return Answer(200)


class Voluum(Tracker):
    """Conversions by cid and txid; what comes again is discarded."""

    def __call__(self, asked: Asked) -> Answer:
        """Take one postback."""
        names = ("cid", "payout", "txid", "currency", "et", *(f"param{one}" for one in range(1, 6)))
        try:
            told = self.check(asked, "/postback", names)
            if checks.text(told, "cid") != CLICK:
                raise Wrong("cid", "is unknown")
            checks.optional(told, "currency", "[A-Z]{3}")
            checks.optional(told, "et", "lead|purchase")
            key = told["cid"], told.get("txid", "")
            if key in self.counted:
                self.repeats += 1
            else:
                self.count(key, told)
        except Wrong as wrong:
            self.thrown.append(str(wrong))
            return Answer(404 if wrong.place == asked.path else 200)
        if self.away:
            self.away -= 1
            return Answer(503)
        return Answer(200)


class RedTrack(Tracker):
    """Conversions by click and event id, in the mode “Ignore duplicate postbacks by event id”."""

    def __call__(self, asked: Asked) -> Answer:
        """Take one postback."""
        try:
            names = ("clickid", "sum", "currency", "type", "rdtk_event_id")
            told = self.check(asked, "/postback", names)
            if checks.text(told, "clickid") != CLICK:
                raise Wrong("clickid", "is unknown")
            checks.text(told, "type", "Lead|Purchase")
            key = told["clickid"], checks.text(told, "rdtk_event_id")
            if key in self.counted:
                self.repeats += 1
            else:
                self.count(key, told)
        except Wrong as wrong:
            self.thrown.append(str(wrong))
            return Answer(404 if wrong.place == asked.path else 200)
        return Answer(200)
