"""Leads for the presets of Google Ads, of trackers and of AlterCPA, and the vendors that get them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tests.contracts import altercpa, trackers
from tests.contracts.checks import people
from tests.contracts.google_ads import GoogleAds
from tests.contracts.vendor import Vendor, ago
from tests.token_server import EMAIL, key

GMAIL, PHONE = "Cloudy.Sanfrancisco+Shopping@GMail.com ", "050 123-45-67"
PEOPLE = people("cloudysanfrancisco@gmail.com", "+380501234567")

NEW: dict[str, Any] = {
    "status": "new",
    "occurred_at": ago(60),
    "click": {"id": trackers.CLICK, "ip": "203.0.113.7", "ua": "Mozilla/5.0", "geo": "UA"},
    "tags": {"gclid": "Cj0KCQ-example", "utm_source": "fb & co", "subid": "s=1"},
    "customer": {"name": "Ольга & co", "email": GMAIL, "phone": PHONE, "comment": "a\n&b=c"},
}
SALE: dict[str, Any] = {"status": "approve", "price": 12.5, "currency": "USD"}
NETWORK_NEW: dict[str, Any] = {
    **NEW,
    "click": {**NEW["click"], "id": altercpa.CLICK},
    "customer": {**NEW["customer"], "phone": "+38 050 123-45-67"},
}


def service_account(kid: str = "k1", token_uri: str | None = None) -> str:
    """The key file of a service account, of which Google knows `k1`."""
    file = {
        "type": "service_account",
        "project_id": "postbacks",
        "private_key_id": kid,
        "private_key": key(kid)[0],
        "client_email": EMAIL,
    }
    return json.dumps(file | ({"token_uri": token_uri} if token_uri else {}))


SECRETS = {
    "google_credential": service_account(),
    "keitaro_key": trackers.KEY,
    "altercpa_token": altercpa.TOKEN,
    "altercpa_tracker_token": altercpa.TOKEN,
    "altercpa_pro_token": altercpa.SITE,
}
PARAMS = {
    "keitaro": {"keitaro_host": trackers.KEITARO},
    "binom": {"binom_host": trackers.BINOM},
    "altercpa": {"altercpa_host": altercpa.NETWORK},
    "altercpa-pro": {"altercpa_pro_host": altercpa.PRO},
}


class Vendors:
    """One of each."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.google = GoogleAds(PEOPLE, now)
        self.keitaro, self.binom = trackers.Keitaro(), trackers.Binom()
        self.voluum, self.redtrack = trackers.Voluum(), trackers.RedTrack()
        self.network, self.tracker, self.pro = (altercpa.AlterCPA() for _ in range(3))

    def by_host(self) -> dict[str, Vendor]:
        """Each at its host."""
        return {
            "datamanager.googleapis.com": self.google,
            "oauth2.googleapis.com": self.google.token,
            trackers.KEITARO: self.keitaro,
            trackers.BINOM: self.binom,
            trackers.VOLUUM: self.voluum,
            trackers.REDTRACK: self.redtrack,
            altercpa.NETWORK: self.network,
            altercpa.TRACKER: self.tracker,
            altercpa.PRO: self.pro,
        }
