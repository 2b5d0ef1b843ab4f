"""Who is asking, and what they may: nobody, a viewer, an editor. Pure.

`POSTBACKS_TOKEN` edits, `POSTBACKS_VIEW_TOKEN` views. A program sends its token with each request
(`Authorization: Bearer …`); a person pastes it once into the login page and has a session cookie from then
on. Where the server listens on loopback alone and has no token, whoever asks is an editor: that is `dev`.

A session is `role.expires.id.signature`: nothing of it is stored, each worker can check it, and it ends with
its token, which its key is derived from, or after half a day. A logout ends it at once in the worker that was
asked (`Ended`); another one, which was not told, would take a copied cookie until it expires.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["nobody", "viewer", "editor"]
_RANK: dict[Role, int] = {"nobody": 0, "viewer": 1, "editor": 2}
SESSION_S = 12 * 3_600


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of an installation, "" for one that it has not; `is_open` lets everybody in as an editor."""

    edit: str = field(default="", repr=False)
    view: str = field(default="", repr=False)
    is_open: bool = False

    def role_of(self, token: str) -> Role:
        """Whose token it is; takes as long for a wrong one as for a right one."""
        editor, viewer = _same(token, self.edit), _same(token, self.view)
        return "editor" if editor else "viewer" if viewer else "nobody"

    def key_of(self, role: str) -> bytes | None:
        """What signs the sessions of a role; None where there are none."""
        token = {"editor": self.edit, "viewer": self.view}.get(role, "")
        return _mac(token.encode("utf-8", "surrogatepass"), "postbacks session key") if token else None


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: their role, by what they are known, their session's id ("" without one) and its end."""

    role: Role = "nobody"
    by: Literal["nothing", "bearer", "session", "loopback"] = "nothing"
    session: str = ""
    expires_s: float = 0.0

    def may(self, needed: Role) -> bool:
        """Whether the role is enough."""
        return _RANK[self.role] >= _RANK[needed]


NOBODY = Asker()


@dataclass
class Ended:
    """The sessions that were logged out here and have not expired yet: as many as there were logouts."""

    _until_s: dict[str, float] = field(default_factory=dict)

    def end(self, asker: Asker, now_s: float) -> None:
        """This session is over."""
        self._until_s = {one: until_s for one, until_s in self._until_s.items() if until_s > now_s}
        self._until_s[asker.session] = asker.expires_s

    def __contains__(self, asker: Asker) -> bool:
        return asker.by == "session" and asker.session in self._until_s


def asker_of(authorization: str | None, cookie: str | None, tokens: Tokens, now_s: float) -> Asker:
    """Who asks, by the `Authorization` header and the session cookie as they came.

    A header that is there counts alone: a wrong token is nobody's, whatever the cookie says.
    """
    if tokens.is_open:
        return Asker("editor", "loopback")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        role = tokens.role_of(token.strip()) if scheme.lower() == "bearer" else "nobody"
        return NOBODY if role == "nobody" else Asker(role, "bearer")
    return NOBODY if cookie is None else _of_session(cookie, tokens, now_s)


def new_session(role: Role, tokens: Tokens, now_s: float, session_id: str) -> str:
    """The cookie of a session that begins now; `session_id` is random, of letters and digits."""
    key = tokens.key_of(role)
    assert key is not None
    told = f"{role}.{int(now_s) + SESSION_S}.{session_id}"
    return f"{told}.{_mac(key, told).hex()}"


def csrf_token(asker: Asker, tokens: Tokens) -> str:
    """What each form and htmx request of a session carries; "" for who has no session."""
    key = tokens.key_of(asker.role)
    return _mac(key, f"csrf {asker.session}").hex() if asker.by == "session" and key else ""


def is_csrf_token(given: str, asker: Asker, tokens: Tokens) -> bool:
    """Whether a request carries its own session's."""
    return asker.by == "session" and _same(given, csrf_token(asker, tokens))


def _of_session(cookie: str, tokens: Tokens, now_s: float) -> Asker:
    told, _, signature = cookie.rpartition(".")
    role, _, rest = told.partition(".")
    expires, _, session_id = rest.partition(".")
    key = tokens.key_of(role)
    if key is None or not _same(signature, _mac(key, told).hex()) or float(expires) <= now_s:
        return NOBODY
    return Asker("editor" if role == "editor" else "viewer", "session", session_id, float(expires))


def _same(given: str, wanted: str) -> bool:
    """Constant in time, also over lengths; nothing equals a token that is not set."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, wanted)]
    return hmac.compare_digest(*digests) and bool(wanted)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
