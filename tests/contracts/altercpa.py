"""AlterCPA's three doors: a network's push.json, the tracker's postback, an external site of Pro.

https://www.altercpa.red/en/api.html: “the response status is always 200”, GET or form-urlencoded POST;
https://www.altercpa.pro/en/help/external-api: token, click, exto, status, auto;
https://docs.altercpa.top/en/api/authentication/: `{"status": "ok"}` or `{"status": "error", "error": CODE}`,
and the codes that any function may answer. A network's fields are those that its clients send.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.contracts import checks
from tests.contracts.checks import Wrong
from tests.contracts.vendor import Answer, Asked

NETWORK, TRACKER, PRO = "network.example.com", "www.altercpa.red", "pro.example.com"
TOKEN, SITE = "42-d3adb33fd3adb33f", "123-abcde0123456789"
CLICK = "c-9"
BROKEN, BARE = "db", "html"
_STATUSES = ("new", "hold", "approve", "cancel", "trash")
_FIELDS = (
    "offer", "flow", "site", "name", "last", "phone", "email", "ip", "ua", "country", "comment", "domain",
    "subid", "utm_source", "utm_campaign", "utm_content", "utm_term", "utm_medium",
)  # fmt: skip


class AlterCPA:
    """An installation: leads by their key, each with its statuses in order."""

    def __init__(self) -> None:
        self.leads: dict[tuple[str, ...], list[Mapping[str, str]]] = {}

    def __call__(self, asked: Asked) -> Answer:
        """Take one request; whatever is wrong is told by status 200."""
        call = {
            "/api/wm/push.json": self._push,
            "/api/track/postback.json": self._postback,
            "/api/site/click.json": self._site,
            "/api/site/status.json": self._site,
        }.get(asked.path)
        if call is None:
            return _error("func")
        told = {**asked.query, **asked.form}
        if empty := [name for name, value in told.items() if not value]:
            return _error(f"empty {empty[0]}")
        if told.get("click") == BROKEN:
            return _error("db")
        if told.get("click") == BARE:
            return Answer(200, "<b>Fatal error</b>")
        try:
            return call(asked, told)
        except Wrong as wrong:
            return _error(wrong.place)

    def _push(self, asked: Asked, told: dict[str, str]) -> Answer:
        if asked.query.get("id") != TOKEN:
            return _error("key")
        _only(told, "id", *_FIELDS)
        checks.text(told, "offer", "[1-9][0-9]*")
        checks.text(told, "flow", "[1-9][0-9]*")
        checks.text(told, "phone", "[0-9]{10,15}")
        checks.optional(told, "country", "[a-z]{2}")
        if (told["phone"],) in self.leads:
            return _error("double")
        return self._take((told["phone"],), told)

    def _postback(self, asked: Asked, told: dict[str, str]) -> Answer:
        if asked.query.get("id") != TOKEN:
            return _error("key")
        _only(told, "id", "click", "uid", "status", "price", "currency")
        return self._status(told, "uid")

    def _site(self, asked: Asked, told: dict[str, str]) -> Answer:
        if asked.query.get("token") != SITE:
            return _error("token")
        if asked.path.endswith("click.json"):
            _only(told, "token", "click", "exto")
            told["status"] = "new"
        else:
            _only(told, "token", "click", "exto", "status", "auto")
            checks.text(told, "status", "hold|approve|cancel|trash")
        return self._status(told, "exto")

    def _status(self, told: dict[str, str], unique: str) -> Answer:
        if checks.text(told, "click") != CLICK:
            return _error("click")
        checks.text(told, "status", "|".join(_STATUSES))
        checks.optional(told, "currency", "[a-z]{3}")
        checks.optional(told, "price", r"[0-9]+(\.[0-9]+)?")
        return self._take((told["click"], checks.text(told, unique)), told)

    def _take(self, key: tuple[str, ...], told: Mapping[str, str]) -> Answer:
        self.leads.setdefault(key, []).append(told)
        return Answer(200, {"status": "ok", "id": len(self.leads)})


def _only(told: Mapping[str, str], *names: str) -> None:
    if unknown := told.keys() - set(names):
        raise Wrong(sorted(unknown)[0], "is not a parameter")


def _error(code: str) -> Answer:
    return Answer(200, {"status": "error", "error": code})
