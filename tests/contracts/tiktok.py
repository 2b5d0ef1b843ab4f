"""TikTok's Events API 2.0 as its open connectors know it: a refusal is a `code` in a 200.

Fields and hashing: https://business-api.tiktok.com/portal/docs?id=1771101303285761, by way of Segment's and
RudderStack's connectors; the codes and their messages are those that RudderStack and Airbyte test with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.contracts import checks
from tests.contracts.checks import Counted, Wrong
from tests.contracts.vendor import Answer, Asked

TOKEN = "1234ac663758946dfe00b394bbac611b371f7"
BUSY, FORGETFUL = "CBUSY40100", "CLOST40700"
OLDEST_S = 7 * 86_400
_HASHED = ("email", "phone", "external_id", "first_name", "last_name", "zip_code")
_PLAIN = ("ttclid", "ttp", "ip", "user_agent", "locale", "city", "state", "country")


class TikTok:
    """A pixel and those that TikTok knows. Events are counted by name and id."""

    def __init__(
        self, pixels: tuple[str, ...], known: Mapping[str, str], now: Callable[[], float] = time.time
    ) -> None:
        self.pixels, self.known, self.now = (*pixels, BUSY, FORGETFUL), known, now
        self.counted = Counted()

    def __call__(self, asked: Asked) -> Answer:
        """Take one event; every answer to the right path is a 200."""
        if asked.method != "POST" or asked.path != "/open_api/v1.3/event/track/":
            return Answer(404, "404 page not found")
        token = asked.headers.get("access-token")
        if not token:
            return _said(40104, "Access token is empty.")
        if token != TOKEN:
            return _said(40105, "Access token is incorrect or has been revoked.")
        try:
            body = checks.members(asked.json, "body")
            pixel = self._pixel(body)
            if pixel == BUSY:
                return _said(40100, "Too many requests. Please retry in some time.")
            key = self._take(body)
        except PermissionError as fault:
            return _said(40001, str(fault))
        except Wrong as wrong:
            return _said(40002, f"data.0.{wrong}")
        if pixel == FORGETFUL and key not in self.counted.repeats:
            return _said(40700, "Internal service timed out. Please retry.")
        return _said(0, "OK")

    def _pixel(self, body: Mapping[str, Any]) -> str:
        checks.text(body, "event_source", "web|app|offline|crm")
        pixel = checks.text(body, "event_source_id")
        if pixel not in self.pixels:
            raise PermissionError(f"No permission to operate pixel code: {pixel}.")
        if unknown := body.keys() - {"event_source", "event_source_id", "test_event_code", "data"}:
            raise Wrong(sorted(unknown)[0], "is not a field")
        return pixel

    def _take(self, body: Mapping[str, Any]) -> tuple[str, str]:
        event = checks.one_of_a_list(body.get("data"), "data")
        key = checks.text(event, "event"), checks.text(event, "event_id")
        checks.moment(event, "event_time", self.now(), OLDEST_S)
        user = checks.members(event.get("user"), "user")
        if unknown := user.keys() - {*_HASHED, *_PLAIN}:
            raise Wrong(sorted(unknown)[0], "is not a field")
        matched = [name for name in _HASHED if checks.digests(user, name, self.known)]
        checks.address(user, "ip")
        checks.optional(user, "ttclid", r"[A-Za-z0-9._-]+")
        _check_properties(event)
        if "page" in event:
            checks.optional(checks.members(event["page"], "page"), "url", r"https?://\S+")
        self.counted.take(key, event, matched)
        return key


def _check_properties(event: Mapping[str, Any]) -> None:
    told = checks.members(event["properties"], "properties") if "properties" in event else {}
    if "currency" in told or event["event"] == "Purchase":
        checks.currency(told)
    if "value" in told or event["event"] == "Purchase":
        checks.amount(told, "value")


def _said(code: int, message: str) -> Answer:
    return Answer(200, {"code": code, "message": message, "request_id": "2026112417220", "data": {}})
