"""A template compiled once, and rendered many times.

The whole grammar is settled when a flow is saved. A rendering runs a flat program over the facts, and fails
only for what the facts decide: a length, a dot segment in the path, a secret of `hmac` that is not set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from app.templates import jsonscan
from app.templates.facts import Facts
from app.templates.fault import Part, TemplateFault
from app.templates.filters import filter_fault
from app.templates.fingerprint import News
from app.templates.headers import compile_headers
from app.templates.hole import make_hole
from app.templates.jsonparts import JsonPlace, compile_omitting, compile_written
from app.templates.jsonscan import JsonBreak
from app.templates.link import Link, compile_link
from app.templates.names import nearest_macro
from app.templates.ops import Op, Piece
from app.templates.pairs import PairPlace, compile_pairs, read_pairs
from app.templates.pool import PoolInMaking, Row
from app.templates.scan import Macro, Source, scan, secrets_of
from app.templates.segments import Segment, Segmented, tidy
from app.templates.text import (
    DOT_SEGMENT,
    MAX_LINK_BYTES,
    Text,
    body_too_long,
    has_dot_segment,
    link_too_long,
    show,
)
from app.templates.units import line_and_column, skip_white, trim


class Rendered(msgspec.Struct, frozen=True):
    """A rendered request: what is sent once the slots of its secrets are filled.

    `headers` holds the Content-Type that the template implies too; `body` is None for GET. Requests with
    equal fingerprints are the same news for their receiver.
    """

    method: str
    link: Text
    headers: dict[str, Text]
    body: Text | None
    fingerprint: bytes


def compile_template(
    template: str, headers: Mapping[str, str] | None = None, *, omit_empty: bool = False
) -> Program:
    """Compile a template and the headers that its flow adds.

    Raises `TemplateFault`.
    """
    source = scan(template)
    link = compile_link(source, omit_empty=omit_empty)
    return Program(source, link, _compile_body(source, omit_empty), headers or {})


class Program:
    """A compiled template.

    `scheme`, `host` (an IPv6 address in brackets) and `port` (None when the link names none) are where it
    leads; `macros` are the names used in what is sent, without the `_` of raw ones, `secrets` the names of
    the secrets that it needs; faults of the body belong to `body_part`.
    """

    def __init__(self, source: Source, link: Link, body: list[Op] | None, headers: Mapping[str, str]) -> None:
        self.scheme = link.scheme.removesuffix("://")
        self.host = link.authority.host
        self.port = int(link.authority.port) if link.authority.port else None
        self.method = "GET" if body is None else "POST"
        compiled = compile_headers(source.kind, headers)
        used = _used(source, link) + [("header", macro) for header in compiled for macro in header.macros]
        self.macros = frozenset(macro.name for _, macro in used)
        self.secrets = frozenset(name for _, macro in used for name in secrets_of(macro))
        self._unknown = [(part, macro) for part, macro in used if not macro.known]
        self.body_part: Part = source.kind
        self._path_at = link.path_at
        making = PoolInMaking()
        before = link.scheme + link.authority.text
        whole = [before, *link.path, *link.query]
        valued = [(header.name, header.value) for header in compiled]
        self._path = Row(link.path, making)
        self._link = Row(whole, making)
        self._fixed_headers: dict[str, Text] = dict.fromkeys((name for name, _ in valued), "")
        self._headers: list[tuple[str, Row]] = []
        for name, value in valued:
            if all(isinstance(op, str) for op in value):
                self._fixed_headers[name] = "".join(map(str, value))
            else:
                self._headers.append((name, Row(value, making)))  # keeps its place among the fixed ones
        self._body = None if body is None else Row(body, making)
        self._news = News(self.method, whole, valued, body, making)
        self._pool = making.made()

    def render(self, facts: Facts, *, strict: bool = False) -> Rendered:
        """The request for these facts; `strict` refuses an unknown macro that is no tag of the lead.

        Raises `TemplateFault`.
        """
        if strict:
            self._refuse_unknown(facts)
        raw, encoded = self._pool.texts(facts)
        pool: list[Piece] = [*encoded, *self._pool.fixed]
        if self._path_at is not None and has_dot_segment(_known(self._path.pieces(raw, pool))):
            raise TemplateFault("link", self._path_at, DOT_SEGMENT)
        link = self._link.text(raw, pool)
        if link.__class__ is list or len(link) > MAX_LINK_BYTES:
            _check("link", link_too_long(_known(link)))
        body = None
        if self._body is not None:
            body = self._body.text(raw, pool)
            _check(self.body_part, body_too_long(_known(body)))
        headers = self._fixed_headers.copy()
        for name, value in self._headers:
            headers[name] = value.text(raw, pool)
        return Rendered(self.method, link, headers, body, self._news.fingerprint(raw, pool, self._pool))

    def segments(self, facts: Facts) -> Segmented:
        """What `render` renders, each value told apart from the template's text. Raises `TemplateFault`."""
        headers = self.render(facts).headers
        raw, pool = self._pool.segments(facts)
        found = {name: tidy(value.pieces(raw, pool)) for name, value in self._headers}
        return Segmented(
            self.method,
            tidy(self._link.pieces(raw, pool)),
            {name: found.get(name) or [Segment(show(value))] for name, value in headers.items()},
            None if self._body is None else tidy(self._body.pieces(raw, pool)),
            [segment.macro for segment in pool if segment.missing],
        )

    def _refuse_unknown(self, facts: Facts) -> None:
        for part, macro in self._unknown:
            at = None if part == "header" else macro.at
            if macro.name not in facts.lead.tags:
                near = nearest_macro(macro.name)
                reason = f"unknown macro {macro.text}, the nearest known name is {{{near}}}"
                raise TemplateFault(part, at, reason)
            if (fault := filter_fault(macro.filters)) is not None:
                raise TemplateFault(part, at, f"{macro.text}: {fault}")


def _check(part: Part, reason: str | None) -> None:
    if reason is not None:
        raise TemplateFault(part, None, reason)


def _known(text: Text | Sequence[Piece]) -> str:
    """What is known of a text before its secrets are; a secret counts as one character."""
    if isinstance(text, str):
        return text
    return "".join([piece if isinstance(piece, str) else "x" for piece in text])


def _used(source: Source, link: Link) -> list[tuple[Part, Macro]]:
    """The macros of link and body whose values are sent, each with its part; those of a fragment are checked.

    Raises `TemplateFault` for a wrong filter in the fragment.
    """
    used: list[tuple[Part, Macro]] = []
    for index, unit in enumerate(source.units):
        if isinstance(unit, Macro):
            if link.fragment is not None and link.fragment < index < source.split:
                make_hole(unit, "pair", "link")
            else:
                used.append(("link" if index < source.split else source.kind, unit))
    return used


def _compile_body(source: Source, omit_empty: bool) -> list[Op] | None:
    if source.kind == "link":
        return None
    if source.kind == "json":
        return _compile_json(source, omit_empty)
    pairs, _ = read_pairs(source.units, source.body, len(source.units), in_query=False)
    return compile_pairs(pairs, PairPlace(source, in_query=False, omit_empty=omit_empty), "")


def _compile_json(source: Source, omit_empty: bool) -> list[Op]:
    units = source.units
    start, end = trim(units, source.body, len(units), jsonscan.WHITE)
    try:
        node, after = jsonscan.read(units, start, end)
        if after != end:
            raise JsonBreak(skip_white(units, after, end), "something follows the JSON")
    except JsonBreak as fault:
        where = line_and_column(source, source.body, fault.at)
        raise TemplateFault(
            "json", source.offsets[fault.at], f"the JSON breaks at {where}: {fault.reason}"
        ) from None
    place = JsonPlace("json", in_pair=False)
    return compile_omitting(units, node, place) if omit_empty else compile_written(units[start:end], place)
