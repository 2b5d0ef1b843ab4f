"""What is shown of a request and of its answer: no secret, and no token unless the postback says so.

A request is shown with `•••` for each slot. Tokens that people pasted into links, bodies and headers are
masked as well (`app.flows.tokens`), unless the postback has `mask: false`; a macro's value that only looks
like a token stays readable. A receiver may say back what it was sent, in a body, in `Location`, in a
header: so every secret's value is looked for in what comes back, in each way in which servers write it
(`app.kit.hiding`), and so is each masked token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote_plus

import msgspec

from app.flows.tokens import (
    find_form_tokens,
    find_json_tokens,
    find_tokens,
    is_token_header,
    mask_form,
    mask_headers,
    mask_json,
    mask_link,
)
from app.kit.hiding import MASK, hide, hide_cut, looks_for, to_hide
from app.kit.secrets import Secrets
from app.kit.signing import ID_HEADER, SIGNATURE_HEADER, parts_of
from app.messages.request import Request
from app.templates.pipeline import SecretMissing
from app.templates.text import Slot, Text, fill

# A shorter one is looked for in the request alone: in an answer it would hide what is not it.
_SHORTEST_TOKEN = 8
_LINK_HEADERS = frozenset(("location", "content-location", "referer"))


class Shown(msgspec.Struct, frozen=True):
    """A request as people may see it."""

    url: str
    headers: dict[str, str]
    body: str


def shown(request: Request) -> Shown:
    """The request with its slots, and its tokens unless `mask: false`, as `•••`.

    The headers that are written at sending are told as far as they are the same at every attempt.
    """
    link, body = _open(request.link), _open(request.body or "")
    headers = _open_all(request.headers)
    if not request.delivery.mask:
        return Shown(link, headers | _added(request), body)
    only = request.delivery.tokens
    if body:
        body = (mask_json if _is_json(headers) else mask_form)(body, only)
    return Shown(mask_link(link, only), mask_headers(headers) | _added(request), body)


class Hiding:
    """Hides in what came back whatever the request must not show. Made once for each answer.

    `came` is all the text that will be asked about, if that is known: mostly there is nothing to hide in it,
    and one look says so.
    """

    def __init__(self, request: Request, secrets: Secrets, came: str | None = None) -> None:
        self._masks_tokens = request.delivery.mask
        self._known = secrets.known()
        own = [*_filtered(request, secrets), *_keys(request, secrets)]
        if self._masks_tokens:
            own += _tokens(request)
        self._own = frozenset(own)
        finders = looks_for(self._known), looks_for(self._own)
        self._is_clean = came is not None and not any(finds(came) for finds in finders)

    @property
    def _forms(self) -> tuple[str, ...]:
        return to_hide(self._known | self._own)

    def text(self, text: str) -> str:
        """The text without any of them."""
        return text if self._is_clean else hide(text, self._forms)

    def cut_text(self, text: str) -> str:
        """The same for a text that was cut off: what may be the first half of one goes as well."""
        return hide_cut(text, self._forms)

    def link(self, link: str) -> str:
        """A link that came back: its own tokens are masked too."""
        link = self.text(link)
        return mask_link(link) if self._masks_tokens else link

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """An answer's headers."""
        found = {}
        for name, value in headers.items():
            shown = self.link(value) if name.lower() in _LINK_HEADERS else self.text(value)
            name = self.text(name)
            found[name] = MASK if self._masks_tokens and is_token_header(name) else shown
        return found


def _added(request: Request) -> dict[str, str]:
    added = {}
    if request.delivery.idempotency_header is not None:
        added[request.delivery.idempotency_header] = request.request_id
    if request.delivery.sign_with is not None:
        added |= {ID_HEADER: request.request_id, SIGNATURE_HEADER: MASK}
    return added


def _open(text: Text) -> str:
    if isinstance(text, str):
        return text
    return "".join([piece if isinstance(piece, str) else MASK for piece in text])


def _open_all(headers: Mapping[str, Text]) -> dict[str, str]:
    return {name: _open(text) for name, text in headers.items()}


def _is_json(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "content-type" and "json" in value.lower() for name, value in headers.items())


def _texts(request: Request) -> list[Text]:
    return [request.link, *request.headers.values(), request.body or ""]


def _filtered(request: Request, secrets: Secrets) -> Iterator[str]:
    """What the filters of slots made of secrets, where it is not the secret itself."""
    for text in _texts(request):
        for piece in text if isinstance(text, list) else ():
            if isinstance(piece, Slot) and piece.filters:
                try:
                    yield fill([Slot(piece.secret, "header", piece.filters)], secrets)
                except SecretMissing:
                    continue


def _keys(request: Request, secrets: Secrets) -> Iterator[str]:
    """Each key that the request is signed with, which a receiver has too."""
    name = request.delivery.sign_with
    if name is not None and (keys := secrets(name)) is not None:
        yield from parts_of(keys)


def _tokens(request: Request) -> Iterator[str]:
    """The tokens that `shown` masks, those long enough to be looked for elsewhere."""
    found = _written(request) if request.delivery.tokens is None else list(request.delivery.tokens)
    for name, text in request.headers.items():
        if is_token_header(name):
            value = _open(text)
            found += [value, value.rpartition(" ")[2]]
    for token in found:
        if len(token) >= _SHORTEST_TOKEN and MASK not in token:
            yield token
            yield unquote_plus(token)


def _written(request: Request) -> list[str]:
    link, body = _open(request.link), _open(request.body or "")
    headers = _open_all(request.headers)
    find_in_body = find_json_tokens if _is_json(headers) else find_form_tokens
    found = [link[start:end] for start, end in find_tokens(link)]
    return found + [body[start:end] for start, end in find_in_body(body)]
