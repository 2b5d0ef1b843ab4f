"""How often tokens may be tried: by each address, and in total. Pure."""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 600.0
PER_ADDRESS = 10
IN_TOTAL = 100


@dataclass
class Limiter:
    """Counts failures within the last `WINDOW_S`; what is refused is not counted, so its memory is bounded.

    Behind a proxy all come from one address: `X-Forwarded-For`, which anybody can write, is not believed.
    """

    _failures: deque[tuple[float, str]] = field(default_factory=deque)

    def wait_s(self, address: str, now_s: float) -> float:
        """How long this address has to wait until its next try; 0 when it need not."""
        while self._failures and self._failures[0][0] <= now_s - WINDOW_S:
            self._failures.popleft()
        whose = whose_of(address)
        own = [at for at, of in self._failures if of == whose]
        limits = ((own, PER_ADDRESS), ([at for at, _ in self._failures], IN_TOTAL))
        return max(
            (found[-most] + WINDOW_S - now_s for found, most in limits if len(found) >= most), default=0
        )

    def failed(self, address: str, now_s: float) -> None:
        """A wrong token was tried."""
        self._failures.append((now_s, whose_of(address)))


def whose_of(address: str) -> str:
    """What one person has: an IPv4 address, or a network of /64 in IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6:
        return str(found.ipv4_mapped or ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)
