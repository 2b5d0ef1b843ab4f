"""The lead that the networks' contract tests send, what a network knows of its person, and the tokens."""

from __future__ import annotations

from typing import Any

from tests.contracts import google_analytics, meta, snap, taboola, tiktok
from tests.contracts.checks import people

SECRETS = {
    "meta_token": meta.TOKEN,
    "tiktok_token": tiktok.TOKEN,
    "snap_token": snap.TOKEN,
    "ga4_secret": google_analytics.SECRET,
}
NETWORKS = ("meta-capi", "tiktok-events", "snap-capi", "ga4", "taboola")
PIXELS = {"meta-capi": "1234567890123456", "tiktok-events": "C4ABCDEFGHIJKLMNOPQ0"}
SNAP_PIXEL = "12345678-90ab-cdef-1234-567890abcdef"
NEW: dict[str, Any] = {
    "status": "new",
    "click": {
        "id": "c-9", "ip": "203.0.113.7", "ua": "Mozilla/5.0 (X11; Linux)", "geo": "UA",
        "url": "https://land.example/?x=1&y=2", "referer": "https://news.example/",
    },
    "tags": {
        "fbclid": "IwAR0-x", "fbp": "fb.1.1764000000000.1098115397", "ttclid": "E.C.P.CqMBAb", "ttp": "2Nf",
        "ScCid": "5b6d", "scid": "u-1", "ga_client_id": "123456.7654321", "ga_session_id": "1764000000",
        "tblci": taboola.CLICK, "utm_source": "fb",
    },
    "customer": {"name": "Olha Ko", "phone": "050 123-45-67", "email": " Olha@Example.com "},
    "meta": {"first_name": " Olha", "last_name": "Ko"},
}  # fmt: skip
SALE = {"status": "approve", "price": 12.5, "currency": "usd"}
BARE: dict[str, Any] = {"status": "new"}
"""A lead of which nothing is known."""

KNOWN = people("olha@example.com", "380501234567", "olha", "ko", "ua")
TIKTOK_KNOWN = people("olha@example.com", "+380501234567")


def vendors(now: Any = None) -> dict[str, Any]:
    """A fresh server of each network; `now` is their clock."""
    clock = {} if now is None else {"now": now}
    return {
        "meta-capi": meta.Meta((PIXELS["meta-capi"],), KNOWN, **clock),
        "tiktok-events": tiktok.TikTok((PIXELS["tiktok-events"],), TIKTOK_KNOWN, **clock),
        "snap-capi": snap.Snap((SNAP_PIXEL,), KNOWN, **clock),
        "ga4": google_analytics.GoogleAnalytics(**clock),
        "taboola": taboola.Taboola(),
    }


def counted(vendor: Any) -> int:
    """How many events a vendor counts."""
    return len(getattr(vendor.counted, "events", vendor.counted))
