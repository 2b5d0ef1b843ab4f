"""Google's Data Manager API and its token server as they document themselves.

https://developers.google.com/data-manager/api/reference/rest/v1/events/ingest says what an event is,
.../devguides/concepts/formatting what is hashed and how, .../concepts/understand-errors that a request is
refused as a whole (“fast fail”) and how, .../reference/rest/v1/ErrorReason with which reasons. Tokens:
https://developers.google.com/identity/protocols/oauth2/service-account.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tests.contracts import checks
from tests.contracts.checks import Counted, Wrong
from tests.contracts.vendor import Answer, Asked
from tests.token_server import key, why_no_account

ACCOUNT, MANAGER, OTHER_ACCOUNT = "7071902603", "1234567890", "9999999999"
ACTIONS = ("7712337565", "7712337566")
BUSY, AWAY = "429", "503"
_OLDEST_S = 90 * 86_400
_NO_IDENTIFIER = "at least one of adIdentifiers and userData"


class Refused(Exception):
    """Status, its code and the reason of Google's list."""

    def __init__(self, status: int, code: str, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.answer = Answer(
            status,
            {
                "error": {
                    "code": status,
                    "message": "There was a problem with the request.",
                    "status": code,
                    "details": [
                        {
                            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                            "reason": reason,
                            "domain": "datamanager.googleapis.com",
                        },
                        {
                            "@type": "type.googleapis.com/google.rpc.BadRequest",
                            "fieldViolations": [{"field": field, "description": reason, "reason": reason}],
                        },
                    ],
                }
            },
        )


class GoogleAds:
    """An account with two conversion actions. Conversions are counted by action and transactionId."""

    def __init__(self, known: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        self.known = known
        self.now = now
        self.tokens: list[str] = []
        self.counted = Counted()
        self.validated: list[Any] = []

    def token(self, asked: Asked) -> Answer:
        """oauth2.googleapis.com: an access token for the JWT of the service account."""
        form = asked.form
        if asked.method != "POST" or asked.path != "/token":
            return Answer(404, {"error": "not_found"})
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return Answer(400, {"error": "unsupported_grant_type"})
        keys = {"k1": key("k1")[1]}
        error = why_no_account(form.get("assertion", ""), keys, "https://oauth2.googleapis.com/token")
        if error is not None:
            return Answer(400, error)
        self.tokens.append(f"ya29.{len(self.tokens)}-of-the-contract")
        return Answer(200, {"access_token": self.tokens[-1], "expires_in": 3599, "token_type": "Bearer"})

    def __call__(self, asked: Asked) -> Answer:
        """datamanager.googleapis.com: take one event."""
        try:
            if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                raise Refused(401, "UNAUTHENTICATED", "ACCESS_TOKEN_TYPE_UNSUPPORTED")
            if (asked.method, asked.path) != ("POST", "/v1/events:ingest"):
                raise Refused(404, "NOT_FOUND", "NOT_FOUND")
            return self._ingest(asked.json)
        except Refused as refused:
            return refused.answer
        except Wrong as wrong:
            return Refused(400, "INVALID_ARGUMENT", str(wrong), wrong.place).answer

    def _ingest(self, told: Any) -> Answer:
        body = checks.members(told, "body")
        _only(body, "destinations", "events", "consent", "validateOnly", "encoding", "encryptionInfo")
        if not isinstance(body.get("validateOnly", False), bool):
            raise Wrong("validateOnly", "must be true or false")
        action = self._destination(checks.one_of_a_list(body.get("destinations"), "destinations"))
        event = checks.one_of_a_list(body.get("events"), "events")
        matched = self._event(event, body)
        if body.get("validateOnly"):
            self.validated.append(event)
            return Answer(200, {})
        self.counted.take((action, event.get("transactionId")), event, matched)
        return Answer(200, {"requestId": f"request-{len(self.counted.events)}"})

    def _destination(self, told: Mapping[str, Any]) -> str:
        _only(told, "reference", "operatingAccount", "loginAccount", "linkedAccount", "productDestinationId")
        accounts = [checks.members(told.get("operatingAccount"), "operatingAccount")]
        if "loginAccount" in told:
            accounts.append(checks.members(told["loginAccount"], "loginAccount"))
        for account in accounts:
            _only(account, "accountType", "accountId")
            checks.text(account, "accountType", "GOOGLE_ADS")
            checks.text(account, "accountId", "[0-9]{10}")
        if accounts[0]["accountId"] == OTHER_ACCOUNT or accounts[-1]["accountId"] not in (ACCOUNT, MANAGER):
            raise Refused(403, "PERMISSION_DENIED", "PERMISSION_DENIED", "destinations[0]")
        action = checks.text(told, "productDestinationId", "[0-9]+")
        if action == BUSY:
            raise Refused(429, "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED")
        if action == AWAY:
            raise Refused(503, "UNAVAILABLE", "INTERNAL_ERROR")
        if action not in ACTIONS:
            field = "destinations[0].productDestinationId"
            raise Refused(400, "INVALID_ARGUMENT", "INVALID_CONVERSION_ACTION_ID", field)
        return action

    def _event(self, told: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
        _only(
            told, "destinationReferences", "transactionId", "eventTimestamp", "adIdentifiers", "userData",
            "consent", "currency", "conversionValue", "eventSource",
        )  # fmt: skip
        checks.optional(told, "transactionId", r"\S{1,512}")
        stamp = checks.text(
            told, "eventTimestamp", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
        )
        age_s = self.now() - datetime.fromisoformat(stamp).timestamp()
        if not -60 <= age_s <= _OLDEST_S:
            raise Refused(400, "INVALID_ARGUMENT", "EVENT_TIME_INVALID", "events[0].eventTimestamp")
        if "conversionValue" in told:
            checks.amount(told, "conversionValue")
        if "currency" in told:
            checks.currency(told)
        for name, value in told.get("consent", {}).items():
            if name not in ("adUserData", "adPersonalization") or not str(value).startswith("CONSENT_"):
                raise Wrong(f"consent.{name}", "is no consent")
        return self._identifiers(told, body)

    def _identifiers(self, told: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
        if not {"adIdentifiers", "userData"} & told.keys():
            raise Wrong("events[0]", f"needs {_NO_IDENTIFIER}")
        if "adIdentifiers" in told:
            found = checks.members(told["adIdentifiers"], "adIdentifiers")
            _only(found, "gclid", "gbraid", "wbraid")
        if "userData" not in told:
            return []
        if body.get("encoding") != "HEX":
            raise Wrong("encoding", "is required for userData")
        user = checks.members(told["userData"], "userData")
        _only(user, "userIdentifiers")
        matched = []
        for place, one in enumerate(user["userIdentifiers"]):
            identifier = checks.members(one, f"userIdentifiers[{place}]")
            _only(identifier, "emailAddress", "phoneNumber", "address")
            if len(identifier) != 1:
                raise Wrong(f"userIdentifiers[{place}]", "must have exactly one attribute")
            [name] = identifier
            if checks.digests(identifier, name, self.known):
                matched.append(name)
        return matched


def _only(told: Mapping[str, Any], *names: str) -> None:
    if unknown := told.keys() - set(names):
        name = sorted(unknown)[0]
        raise Wrong(name, f'Invalid JSON payload received. Unknown name "{name}"')
