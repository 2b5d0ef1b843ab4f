"""What is shown of a request and of its answer: no secret, and no token unless the postback says so.

A request is shown with `•••` for each slot. Tokens that people pasted into links, bodies and headers are
masked as well (`app.flows.tokens`), unless the postback has `mask: false`; a macro's value that only looks
like a token stays readable. A receiver may say back what it was sent, in a body, in `Location`, in a
header: so every secret's value is looked for in what comes back, as it is and in the ways in which servers
write it (percent-encoded, in JSON, in HTML), and so is each masked token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import unquote_plus

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
from app.kit.signing import ID_HEADER, SIGNATURE_HEADER, parts_of
from app.messages.request import Request
from app.templates.pipeline import SecretMissing
from app.templates.text import Slot, Text, fill

# A shorter one is looked for in the request alone: in an answer it would hide what is not it.
_SHORTEST_TOKEN = 8
_SHORTEST_REST = 4
_LONGEST_WAY = 18  # characters that one may be written in: four bytes, each percent-encoded, with a rest
_cut_escape = re.compile(r"[\\%&].{0,11}\Z", re.DOTALL)  # what is left of an escape that was cut in two
_plain = re.compile(r"[0-9A-Za-z]+")  # what no server writes in another way
_NAMED = {"&": ("&amp;",), "<": ("&lt;",), ">": ("&gt;",), '"': ("&quot;",), "'": ("&apos;",), " ": ("+",)}
_BACKSLASH = r"(?:\\|%(?:25)*5[Cc])"
_SHORT_ESCAPES = {"\n": "n", "\r": "r", "\t": "t"}
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
    headers = {name: _open(text) for name, text in request.headers.items()}
    if not request.delivery.mask:
        return Shown(link, headers | _added(request), body)
    only = request.delivery.tokens
    mask_body = mask_json if _is_json(headers) else mask_form
    headers = mask_headers(headers) | _added(request)
    return Shown(mask_link(link, only), headers, mask_body(body, only) if body else "")


class Hiding:
    """Hides in what came back whatever the request must not show. Made once for each answer."""

    def __init__(self, request: Request, secrets: Secrets) -> None:
        self._masks_tokens = request.delivery.mask
        values = {*secrets.known(), *_filtered(request, secrets), *_keys(request, secrets)}
        if self._masks_tokens:
            values.update(_tokens(request))
        self._values = sorted(values, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without any of them."""
        for value in self._values:
            run, written = _finder(value)
            if run in text:
                text = written.sub(MASK, text)
        return text

    def cut_text(self, text: str) -> str:
        """The same for a text that was cut off: what may be the first half of one goes as well."""
        text = self.text(text)
        begins = [at for value in self._values if (at := _cut_at(value, text)) is not None]
        return text[: min(begins)] + MASK if begins else text

    def link(self, link: str) -> str:
        """A link that came back: its own tokens are masked too."""
        link = self.text(link)
        return mask_link(link) if self._masks_tokens else link

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """An answer's headers."""
        found = {
            self.text(name): self.link(value) if name.lower() in _LINK_HEADERS else self.text(value)
            for name, value in headers.items()
        }
        return mask_headers(found) if self._masks_tokens else found


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
            found += [_open(text), _open(text).rpartition(" ")[2]]
    for token in found:
        if len(token) >= _SHORTEST_TOKEN and MASK not in token:
            yield token
            yield unquote_plus(token)


def _written(request: Request) -> list[str]:
    link, body = _open(request.link), _open(request.body or "")
    headers = {name: _open(text) for name, text in request.headers.items()}
    find_in_body = find_json_tokens if _is_json(headers) else find_form_tokens
    found = [link[start:end] for start, end in find_tokens(link)]
    return found + [body[start:end] for start, end in find_in_body(body)]


def _cut_at(value: str, text: str) -> int | None:
    """Where the first half of a value begins with which a text ends, written in any of the ways."""
    for begin in range(max(0, len(text) - _LONGEST_WAY * len(value)), len(text) - _SHORTEST_REST + 1):
        at = begin
        for count, char in enumerate(value):
            if count >= _SHORTEST_REST and not _plain.match(char) and _cut_escape.match(text, at):
                return begin
            found = _char_finder(char).match(text, at)
            if found is None:
                break
            at = found.end()
            if at == len(text):
                return begin
    return None


@lru_cache(maxsize=1024)
def _char_finder(char: str) -> re.Pattern[str]:
    return re.compile(_ways(char))


@lru_cache(maxsize=1024)
def _finder(value: str) -> tuple[str, re.Pattern[str]]:
    """A value in every mix of the ways in which servers write it, and a part that all of them share."""
    run = max(_plain.findall(value), key=len, default="")
    return run, re.compile("".join(map(_ways, value)))


def _ways(char: str) -> str:
    """One character percent-encoded (also more than once), in JSON, in HTML, or as itself."""
    if char.isascii() and char.isalnum():
        return char
    in_link = "".join(f"%(?:25)*{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
    units = char.encode("utf-16-be", "surrogatepass")
    in_json = "".join(f"{_BACKSLASH}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    in_html = f"&#0*{ord(char)};|&#x0*{ord(char):x};"
    ways = [f"(?i:{in_link}|{in_json}|{in_html})", *map(re.escape, _NAMED.get(char, ()))]
    if char in _SHORT_ESCAPES:
        ways.append(_BACKSLASH + _SHORT_ESCAPES[char])
    either = f"(?:{'|'.join(ways)}|{re.escape(char)})"
    return f"{_BACKSLASH}?{either}" if char in '"/\\' else either
