"""Fields that receivers know, by their names: which want a hash, which are a time in which unit, which an id.

Sources: Meta, https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters (seconds
in event_time, milliseconds in fbc, em and ph hashed); TikTok and Snapchat likewise
(https://developers.snap.com/api/marketing-api/Conversions-API/Parameters); Google,
https://developers.google.com/data-manager/api/reference/rest/v1/events/ingest (emailAddress, phoneNumber) and
https://developers.google.com/analytics/devguides/collection/protocol/ga4 (timestamp_micros); OpenAI,
https://developers.openai.com/ads/conversions-api.md (timestamp_ms).
"""

from __future__ import annotations

import re
from typing import Literal

Unit = Literal["s", "ms", "us"]

UNITS: dict[Unit, str] = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
WRITE: dict[Unit, str] = {"s": "{time}", "ms": "{time|ms}", "us": "{time|ms|mul:1000}"}
_USER = r"(^|[.\]])(user_data|user|userIdentifiers\[\])\."
_hashed = re.compile(
    rf"""(^|[._\[\]])(hashed|sha256|md5)[_A-Z]                     # hashed_email, sha256_phone, hashedEmail
      | (_|\b)(hash|hashed|sha256|md5)(\[\])?$                       # email_hash
      | {_USER}(em|ph)(\[\])?$                                       # Meta, Snapchat
      | userIdentifiers\[\]\.(emailAddress|phoneNumber)$             # Google
    """,
    re.VERBOSE,
)
_tiktok = re.compile(rf"{_USER}(email|phone|external_id)(\[\])?$")
_ids = frozenset(
    ("eventid", "transactionid", "txid", "tid", "orderid", "dedupid", "deduplicationid", "conversionid")
) | frozenset(("rdtkeventid", "externaleventid", "idempotencykey", "messageid", "uniqueid", "insertid"))
_SECONDS = (1_000_000_000, 5_000_000_000)
"""The years 2001 to 2128, in Unix seconds."""
_units: tuple[tuple[re.Pattern[str], Unit], ...] = (
    (re.compile(r"(^|_)event_time$"), "s"),
    (re.compile(r"(^|_)(ms|millis)$|[a-z](Ms|Millis)$"), "ms"),
    (re.compile(r"(^|_)micros$|[a-z]Micros$"), "us"),
)


def wants_hash(path: str, host: str) -> bool:
    """Whether the receiver wants an e-mail or phone number hashed in this field."""
    return bool(_hashed.search(path)) or (host.endswith("tiktok.com") and bool(_tiktok.search(path)))


def names_a_hash(macro: str) -> bool:
    """Whether a macro by its name stands for a hash already: `tag.email_sha256`."""
    return bool(re.search(r"(^|[._-])(hash|hashed|sha256|md5)([._-]|$)", macro))


def unit_of(name: str) -> Unit | None:
    """The unit of the time that a field of this name is; None where the name does not tell."""
    return next((unit for pattern, unit in _units if pattern.search(name)), None)


def unit_by_size(number: float) -> Unit | None:
    """The unit in which a number is a time of these decades; None for one in none."""
    factors: dict[Unit, int] = {"s": 1, "ms": 1_000, "us": 1_000_000}
    least, most = _SECONDS
    return next((unit for unit, by in factors.items() if least * by <= number < most * by), None)


def is_event_id(name: str) -> bool:
    """Whether a receiver tells repeats by a field or header of this name."""
    return name.lower().replace("_", "").replace("-", "") in _ids
