"""Access tokens for the secrets that are OAuth credentials (`app.kit.oauth`), fetched when they are needed.

A plain secret costs one look for a word. A credential's token is fetched once for all requests that wait for
it, and renewed in the background while the old one still serves. `access` says when. The newest two tokens
are known as secrets: no row and no log line shows them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from app.kit import oauth
from app.kit.hiding import hide, to_hide
from app.kit.logs import logger
from app.kit.metrics import ACCESS_TOKENS
from app.kit.oauth import BadCredential, Credential, Granted, NotGranted
from app.kit.secrets import Secrets
from app.outbound.access import Access
from app.outbound.answers import Answer, Failure

Post = Callable[[str, bytes], Awaitable[Answer | Failure]]
"""Sends a form to a link; raises nothing but cancellation."""

_MOST_HELD = 1000


class Held:
    """A credential with its access, under the name by which it was first asked for."""

    def __init__(self, name: str, credential: Credential) -> None:
        self.name = name
        self.credential = credential
        self.access = Access()
        self.fetching: asyncio.Task[None] | None = None
        self.known: list[str] = []  # tokens, the newest last
        self.refusal: int | None = None  # which was the last

    def __repr__(self) -> str:
        return f"Held({self.name})"


class TokenWanted(Exception):
    """A request needs an access token that is not here yet."""

    def __init__(self, held: Held) -> None:
        super().__init__(f"secret {held.name} has no access token yet")
        self.held = held


Given = list[tuple[Held, str]]
"""The access tokens that a request was filled with."""


def refusal_of(given: Given, status: int) -> int | None:
    """Which refusal of access tokens a status is, the same for all that were sent with them; None when it is
    about something else. Only a 401 is (RFC 6750, 3.1): a new token would change nothing of a 403."""
    return hash(tuple(token for _, token in given)) if given and status == 401 else None


class TokenSource:
    """Looks secrets up for sending. `post` asks token servers; `steady_s` and `unix_s` are clocks."""

    def __init__(
        self, secrets: Secrets, post: Post, steady_s: Callable[[], float], unix_s: Callable[[], int]
    ) -> None:
        self._secrets = secrets
        self._post = post
        self._steady_s = steady_s
        self._unix_s = unix_s
        self._held: dict[str, Held] = {}
        self._given: Given = []
        self._refusals = itertools.count()

    def __call__(self, name: str) -> str | None:
        """What is sent for a secret: its value, or its access token.

        Raises `TokenWanted` when that has to be fetched, `BadCredential` for one that cannot be used.
        """
        value = self._secrets(name)
        if value is None or not oauth.is_credential(value):
            return value
        return self._token(self._held_for(name, value))

    def given(self) -> Given:
        """The access tokens handed out since this was last asked."""
        if not self._given:
            return []
        given, self._given = self._given, []
        return given

    async def fetch(self, held: Held) -> NotGranted | None:
        """Wait until the token that is wanted is here; why it is not, else None."""
        now_s = self._steady_s()
        self._renew(held, now_s)
        if held.fetching is not None:
            await asyncio.wait((held.fetching,))
        return None if held.access.token(self._steady_s()) is not None else held.access.fault

    def is_outdated(self, given: Given, status: int) -> bool:
        """Note what a receiver answered to access tokens; whether its 401 only means that one is outdated."""
        now_s = self._steady_s()
        outdated = [held.access.answered(token, status, now_s) for held, token in given]
        return any(outdated)

    async def close(self) -> None:
        """Give up what is being fetched."""
        tasks = [held.fetching for held in self._held.values() if held.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _held_for(self, name: str, value: str) -> Held:
        if (known := self._held.get(value)) is not None:
            return known
        try:
            credential = oauth.credential_of(value)
        except BadCredential as fault:
            raise BadCredential(f"secret {name} gets no access token: {fault}") from None
        if len(self._held) >= _MOST_HELD:
            del self._held[next(iter(self._held))]
        held = self._held[value] = Held(name, credential)
        return held

    def _token(self, held: Held) -> str:
        now_s = self._steady_s()
        token = held.access.token(now_s)
        if token is None:
            raise TokenWanted(held)
        self._renew(held, now_s)
        self._secrets.note(token)
        self._given.append((held, token))
        return token

    def _renew(self, held: Held, now_s: float) -> None:
        if held.fetching is None and held.access.is_wanted(now_s):
            held.fetching = asyncio.create_task(self._fetch(held))

    def _know(self, held: Held, token: str) -> None:
        """Older ones are in no request, and each costs time with each answer."""
        self._secrets.note(token)
        if token not in held.known:
            held.known.append(token)
        if len(held.known) > 2:
            self._secrets.forget(held.known.pop(0))

    async def _fetch(self, held: Held) -> None:
        asked_s = self._steady_s()
        try:
            told = await self._ask(held)
        finally:
            held.fetching = None
        if isinstance(told, Granted):
            self._know(held, told.token)
            held.access.granted(told, asked_s)
            ACCESS_TOKENS.labels("granted").inc()
            return
        held.access.failed(told, self._steady_s())
        held.refusal = next(self._refusals) if told.refused else None
        ACCESS_TOKENS.labels("refused" if told.refused else "failed").inc()
        logger().warning("no access token", secret=held.name, reason=told.reason)

    async def _ask(self, held: Held) -> Granted | NotGranted:
        link = held.credential.token_uri
        try:
            # In a thread: the first signature loads a library, and each takes a millisecond.
            form = await asyncio.to_thread(oauth.asking, held.credential, self._unix_s())
        except BadCredential as fault:
            return NotGranted(str(fault), refused=True)
        except Exception as error:  # the library cannot be loaded, say: who waits has to be told
            return NotGranted(f"it cannot be asked for: {type(error).__name__}")
        answer = await self._post(link, oauth.written(form))
        if isinstance(answer, Failure):
            told: Granted | NotGranted = NotGranted(answer.text)
        else:
            told = oauth.read_answer(answer.status, answer.body)
        if isinstance(told, Granted):
            return told
        hidden = frozenset(filter(None, (*oauth.hidden_in(held.credential), form.get("assertion"))))
        reason = hide(told.reason, to_hide(hidden))  # some say back what they were sent
        return NotGranted(f"{urlsplit(link).hostname}: {reason}", told.refused)
