"""Snapchat's Conversions API v3.

https://developers.snap.com/api/marketing-api/Conversions-API/Parameters and UsingTheAPI say what is
required, hashed and how old an event may be. The good answer and the 401 are those that users recorded; that
a wrong event is refused inside a 200 is a third party's word, a 400 what the validation page suggests: the
server does one for web events and the other for a body that is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.contracts import checks
from tests.contracts.checks import Counted, Wrong
from tests.contracts.vendor import Answer, Asked

TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.snap.token"
BUSY, FORGETFUL = "42900000-0000", "50300000-0000"
OLDEST_S = 37 * 86_400
SOURCES = ("WEB", "MOBILE_APP", "OFFLINE", "website", "app")
EVENTS = (
    "PURCHASE", "SAVE", "START_CHECKOUT", "ADD_CART", "VIEW_CONTENT", "ADD_BILLING", "SIGN_UP", "SEARCH",
    "PAGE_VIEW", "SUBSCRIBE", "COMPLETE_TUTORIAL", "LOGIN", "START_TRIAL", "CUSTOM_EVENT_1", "CUSTOM_EVENT_2",
    "CUSTOM_EVENT_3", "CUSTOM_EVENT_4", "CUSTOM_EVENT_5",
)  # fmt: skip
_HASHED = ("em", "ph", "fn", "ln", "ge", "ct", "st", "zp", "country", "external_id")
_PLAIN = ("client_ip_address", "client_user_agent", "sc_click_id", "sc_cookie1", "madid", "idfv")


class Snap:
    """A pixel and those that Snap knows. Events are counted by id."""

    def __init__(
        self, pixels: tuple[str, ...], known: Mapping[str, str], now: Callable[[], float] = time.time
    ) -> None:
        self.pixels, self.known, self.now = (*pixels, BUSY, FORGETFUL), known, now
        self.counted = Counted()

    def __call__(self, asked: Asked) -> Answer:
        """Take one event."""
        pixel = asked.path.removeprefix("/v3/").partition("/")[0]
        if asked.query.get("access_token") != TOKEN or pixel not in self.pixels:
            return _said(401, "INVALID", "Invalid access token")
        if asked.method != "POST" or asked.path != f"/v3/{pixel}/events":
            return _said(404, "INVALID", "not found")
        if pixel == BUSY:
            return Answer(429, "", {"Retry-After": "5"})
        if asked.json is None:
            return _said(400, "INVALID", "Invalid JSON")
        try:
            key = self._take(asked.json)
        except Wrong as wrong:
            return _said(200, "INVALID", str(wrong))
        if pixel == FORGETFUL and key not in self.counted.repeats:
            return Answer(503, "upstream connect error")
        return _said(200, "VALID", "Events have been processed successfully.")

    def _take(self, told: Any) -> str:
        event = checks.one_of_a_list(checks.members(told, "body").get("data"), "data")
        checks.text(event, "event_name", "|".join(EVENTS))
        key = checks.text(event, "event_id")
        checks.moment(event, "event_time", self.now(), OLDEST_S)
        if event.get("action_source") not in SOURCES:
            raise Wrong("action_source", "is required and one of the list")
        checks.optional(event, "event_source_url", r"https?://\S+")
        matched = self._matched(checks.members(event.get("user_data"), "user_data"))
        _check_custom(event)
        self.counted.take(key, event, matched)
        return key

    def _matched(self, user: Mapping[str, Any]) -> list[str]:
        if unknown := user.keys() - {*_HASHED, *_PLAIN}:
            raise Wrong(sorted(unknown)[0], "is not a parameter")
        if (
            not user.keys() & {"em", "ph", "madid"}
            and not {"client_ip_address", "client_user_agent"} <= user.keys()
        ):
            raise Wrong("user_data", "needs em, ph, madid, or client_ip_address and client_user_agent")
        checks.address(user, "client_ip_address")
        return [name for name in _HASHED if checks.digests(user, name, self.known)]


def _check_custom(event: Mapping[str, Any]) -> None:
    custom = checks.members(event["custom_data"], "custom_data") if "custom_data" in event else {}
    if "currency" in custom or event["event_name"] == "PURCHASE":
        checks.currency(custom)
    if "value" in custom or event["event_name"] == "PURCHASE":
        checks.text(custom, "value", r"[0-9]+(\.[0-9]+)?")


def _said(status: int, told: str, reason: str) -> Answer:
    return Answer(status, {"status": told, "reason": reason})
