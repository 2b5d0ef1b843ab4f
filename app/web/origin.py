"""Where a request comes from: which `Host` may be asked for, and whether a page of ours made it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_name(host: str | None) -> bool:
    """Whether a `Host` header names this machine, as each request must where no token is asked for.

    A page of a stranger whose name was pointed at 127.0.0.1 (DNS rebinding) sends that name.
    """
    try:
        name = urlsplit(f"//{host or ''}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or name.endswith(".localhost")


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether another site's page made the request. `headers` are read without regard to case.

    `Sec-Fetch-Site`, which no page can set, is believed first; browsers send it to https and localhost.
    Without it `Origin` has to name the host that was asked. What sends neither is no browser.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("Origin")
    if origin is None:
        return False
    try:
        named = urlsplit(origin).netloc.lower()
    except ValueError:
        return True
    return not named or named != headers.get("Host", "").lower()
