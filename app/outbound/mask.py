"""What is shown of a request and of its answer: no secret, and no token unless the postback says so.

A request is shown with `•••` for each slot. Tokens that people pasted into links, forms and headers are
masked as well (`app.flows.tokens`), unless the postback has `mask: false`. A receiver may say back what it
was sent, in a body, in `Location`, in a header: so every secret's value is looked for in what comes back,
as it is and in the ways in which servers write it (percent-encoded, in JSON, in HTML), and so is each
masked token.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote_plus

import msgspec

from app.flows.tokens import (
    MASK,
    find_form_tokens,
    find_json_tokens,
    find_tokens,
    is_token_header,
    mask_form,
    mask_headers,
    mask_json,
    mask_link,
)
from app.kit.secrets import Secrets
from app.messages.request import Request
from app.templates.encode import percent, percent_path
from app.templates.pipeline import SecretMissing
from app.templates.text import Slot, Text, fill

# A shorter one is looked for in the request alone: in an answer it would hide what is not it.
_SHORTEST_TOKEN = 8
_SHORTEST_REST = 4
_LINK_HEADERS = frozenset(("location", "content-location", "referer"))


class Shown(msgspec.Struct, frozen=True):
    """A request as people may see it."""

    url: str
    headers: dict[str, str]
    body: str


def shown(request: Request) -> Shown:
    """The request with its slots, and its tokens unless `mask: false`, as `•••`."""
    link, body = _open(request.link), _open(request.body or "")
    headers = {name: _open(text) for name, text in request.headers.items()}
    if not request.delivery.mask:
        return Shown(link, headers, body)
    mask_body = mask_json if _is_json(headers) else mask_form
    return Shown(mask_link(link), mask_headers(headers), mask_body(body) if body else "")


class Hiding:
    """Hides in what came back whatever the request must not show. Made once for each answer."""

    def __init__(self, request: Request, secrets: Secrets) -> None:
        self._masks_tokens = request.delivery.mask
        words = set(_forms(secrets.known()))
        words.update(_forms(frozenset(_filtered(request, secrets))))
        if self._masks_tokens:
            words.update(_forms(frozenset(_tokens(request))))
        self._words = sorted(words, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without any of them."""
        for word in self._words:
            if word in text:
                text = text.replace(word, MASK)
        return text

    def cut_text(self, text: str) -> str:
        """The same for a text that was cut off: what may be the first half of one goes as well."""
        text = self.text(text)
        for word in self._words:
            for length in range(min(len(word) - 1, len(text)), _SHORTEST_REST - 1, -1):
                if text.endswith(word[:length]):
                    return text[:-length] + MASK
        return text

    def link(self, link: str) -> str:
        """A link that came back: its own tokens are masked too."""
        link = self.text(link)
        return mask_link(link) if self._masks_tokens else link

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """An answer's headers."""
        found = {
            name: self.link(value) if name.lower() in _LINK_HEADERS else self.text(value)
            for name, value in headers.items()
        }
        return mask_headers(found) if self._masks_tokens else found


def _open(text: Text) -> str:
    if isinstance(text, str):
        return text
    return "".join([piece if isinstance(piece, str) else MASK for piece in text])


def _is_json(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "content-type" and "json" in value.lower() for name, value in headers.items())


def _texts(request: Request) -> list[Text]:
    return [request.link, *request.headers.values(), request.body or ""]


def _filtered(request: Request, secrets: Secrets) -> Iterable[str]:
    """What the filters of slots made of secrets, where it is not the secret itself."""
    for text in _texts(request):
        for piece in text if isinstance(text, list) else ():
            if isinstance(piece, Slot) and piece.filters:
                try:
                    yield fill([Slot(piece.secret, "header", piece.filters)], secrets)
                except SecretMissing:
                    continue


def _tokens(request: Request) -> Iterable[str]:
    """The tokens that `shown` masks, those long enough to be looked for elsewhere."""
    link, body = _open(request.link), _open(request.body or "")
    found = [link[start:end] for start, end in find_tokens(link)]
    find_in_body = (
        find_json_tokens
        if _is_json({n: _open(t) for n, t in request.headers.items()})
        else (find_form_tokens)
    )
    found += [body[start:end] for start, end in find_in_body(body)]
    found += [unquote_plus(token) for token in found]
    for name, text in request.headers.items():
        if is_token_header(name):
            found += [_open(text), _open(text).rpartition(" ")[2]]
    return (token for token in found if len(token) >= _SHORTEST_TOKEN and MASK not in token)


@lru_cache(maxsize=256)
def _forms(values: frozenset[str]) -> tuple[str, ...]:
    """Each value as servers may write it."""
    forms: set[str] = set()
    for value in values:
        escaped = json.dumps(value, ensure_ascii=False)[1:-1]
        forms |= {
            *(value, escaped, escaped.replace("/", "\\/"), json.dumps(value)[1:-1]),
            *(html.escape(value), html.escape(value, quote=False)),
            *(percent(value), percent_path(value), quote(value), quote_plus(value), percent(escaped)),
        }
    forms |= {_lower_hex(form) for form in forms}
    return tuple(form for form in forms if form.strip())


def _lower_hex(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])
