"""Find what looks like a token in a request, and mask it.

Tokens belong into secrets, but people paste them into links. Found are: the values of query and form
pairs and of JSON members named `access_token`, `token`, `key`, `api_key` or `secret` (in any case); a
Telegram bot's `/bot<digits>:…`; an `id` that is `digits-[0-9a-f]{16,}`, or 24 and more of
`[A-Za-z0-9_-]` with a letter and a digit; and the headers `Authorization`, `*-token` and `*-key`.

A rendered request does not show which of its text the template wrote and which a macro brought. Whoever
has the template gives its literal tokens as `only`: then an id that a macro brought stays readable.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from urllib.parse import unquote, unquote_plus

from app.kit.hiding import MASK
from app.templates.scan import scan

Span = tuple[int, int]

_MACRO = "\0"
"""What stands for a macro while a template is searched."""

_NAMES = frozenset(("access_token", "token", "key", "api_key", "secret"))
_bot = re.compile(r"/bot[0-9]+(?::|%3[Aa])([^/?#&]+)")
_member = re.compile(
    r'"(?:access_token|token|key|api_key|secret)"\s*:\s*"([^"\\]*+(?:\\.[^"\\]*+)*+)"',
    re.IGNORECASE | re.DOTALL,
)
_keyed_id = re.compile(r"[0-9]+-[0-9a-f]{16,}")
_long_id = re.compile(r"(?=[^A-Za-z]*[A-Za-z])(?=[^0-9]*[0-9])[A-Za-z0-9_-]{24,}")


@lru_cache(maxsize=1024)
def is_token_header(name: str) -> bool:
    """Whether a header by its name carries a token."""
    name = name.lower()
    return name in ("authorization", "proxy-authorization") or name.endswith(("-token", "-key"))


def find_tokens(link: str) -> list[Span]:
    """Where a link holds tokens, in order: start and end of each in code points."""
    spans = [found.span(1) for found in _bot.finditer(link)]
    query, end = link.find("?") + 1, link.find("#")
    if query:
        spans += _in_pairs(link, query, len(link) if end < query else end)
    return sorted(spans)


def find_form_tokens(body: str) -> list[Span]:
    """Where a form body holds tokens, in order."""
    return _in_pairs(body, 0, len(body))


def find_json_tokens(body: str) -> list[Span]:
    """Where a JSON body holds tokens, in order: texts alone, without their quotes."""
    return [found.span(1) for found in _member.finditer(body) if found[1]]


def literal_tokens(template: str) -> list[tuple[int, str]]:
    """The tokens that a template itself writes: the place of each in code points, and its text unescaped.

    Of a value with a macro in it each part that the template writes is one. Raises `TemplateFault`.
    """
    source = scan(template)
    text = "".join([unit if isinstance(unit, str) else _MACRO for unit in source.units])
    spans = find_tokens(text[: source.split])
    if source.kind != "link":
        find = find_form_tokens if source.kind == "form" else find_json_tokens
        spans += [(source.body + start, source.body + end) for start, end in find(text[source.body :])]
    found = []
    for start, end in spans:
        parts = text[start:end].split(_MACRO)
        found += [(source.offsets[start], unquote(part.strip())) for part in parts if part.strip()]
    return found


def mask_link(link: str, only: Collection[str] | None = None) -> str:
    """The link with its tokens masked; with `only`, those of them that hold one of these texts."""
    return link if only is not None and not only else _masked(link, find_tokens(link), only)


def mask_form(body: str, only: Collection[str] | None = None) -> str:
    """The form body with its tokens masked, `only` likewise."""
    return body if only is not None and not only else _masked(body, find_form_tokens(body), only)


def mask_json(body: str, only: Collection[str] | None = None) -> str:
    """The JSON body with its tokens masked, `only` likewise."""
    return body if only is not None and not only else _masked(body, find_json_tokens(body), only)


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the values of those that carry a token masked."""
    return {name: MASK if is_token_header(name) else value for name, value in headers.items()}


def _in_pairs(text: str, start: int, end: int) -> list[Span]:
    spans = []
    for pair in text[start:end].split("&"):
        name, _, value = pair.partition("=")
        if value and _is_token(unquote_plus(name).strip().lower(), value):
            spans.append((start + len(name) + 1, start + len(pair)))
        start += len(pair) + 1
    return spans


def _is_token(name: str, value: str) -> bool:
    return name in _NAMES or (name == "id" and _is_token_id(unquote_plus(value).strip()))


def _is_token_id(value: str) -> bool:
    return _keyed_id.fullmatch(value) is not None or _long_id.fullmatch(value) is not None


def _masked(text: str, spans: Iterable[Span], only: Collection[str] | None) -> str:
    parts, done = [], 0
    for start, end in spans:
        if start < done or (only is not None and not _holds(unquote(text[start:end]), only)):
            continue
        parts += [text[done:start], MASK]
        done = end
    return "".join([*parts, text[done:]])


def _holds(value: str, parts: Collection[str]) -> bool:
    return any(part in value for part in parts)
