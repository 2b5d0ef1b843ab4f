"""The access token of one OAuth credential over time: when it is good, when another is asked for. Pure.

- A token is renewed five minutes before it expires (a short-lived one in its last quarter), while it still
  serves, and is not used in its last ten seconds (its last tenth).
- A receiver's 401 to a token that was accepted before means that it was taken back early: it is given up, and
  the send is a retry. So are those that were under way with it. A 401 to a token that nobody has accepted yet
  is about the credential, or the receiver: that is `auth`, and it serves no longer than a minute. A token of
  less than that is neither given up nor outdated: a receiver that refuses all, beside one that accepts it,
  has us not ask without end.
- After a failure nobody asks for 5 s, doubled to a minute; after a refusal of the credential for 5 s.

Times are seconds of a steady clock.
"""

from __future__ import annotations

from app.kit.oauth import Granted, NotGranted

RENEW_S = 300.0
SPARE_S = 10.0
YOUNG_S = 60.0
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0


class Access:
    """What one credential has: a token or none, and why none."""

    def __init__(self) -> None:
        self.fault: NotGranted | None = None
        self._token: str | None = None
        self._granted_s = self._renew_s = self._ends_s = 0.0
        self._accepted = False
        self._failures = 0
        self._ask_s = float("-inf")

    def token(self, now_s: float) -> str | None:
        """The token to send; None when there is none that is good."""
        return self._token if now_s < self._ends_s else None

    def is_wanted(self, now_s: float) -> bool:
        """Whether a token should be asked for."""
        return now_s >= self._ask_s and (self._token is None or now_s >= self._renew_s)

    def granted(self, granted: Granted, now_s: float) -> None:
        """A token was given, and counts from when it was asked for, `now_s`."""
        self._token = granted.token
        self._granted_s = now_s
        self._renew_s = now_s + granted.lasts_s - min(RENEW_S, granted.lasts_s / 4)
        self._ends_s = now_s + granted.lasts_s - min(SPARE_S, granted.lasts_s / 10)
        self._accepted = False
        self._failures = 0
        self._ask_s = float("-inf")
        self.fault = None

    def failed(self, fault: NotGranted, now_s: float) -> None:
        """None was given."""
        self.fault = fault
        self._failures += 1
        doubled = FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10)
        self._ask_s = now_s + (FIRST_PAUSE_S if fault.refused else min(doubled, LONGEST_PAUSE_S))

    def answered(self, token: str, status: int, now_s: float) -> bool:
        """Note the answer to a request with `token`; whether it means only that the token is outdated."""
        is_mine = token == self._token
        if status != 401:
            self._accepted = self._accepted or is_mine
            return False
        if not is_mine:
            return True
        if now_s - self._granted_s < YOUNG_S:
            if not self._accepted:
                self._renew_s = self._ends_s = min(self._ends_s, self._granted_s + YOUNG_S)
            return False
        self._token, self._ends_s = None, 0.0
        return self._accepted
