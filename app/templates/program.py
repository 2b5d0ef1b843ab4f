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
from app.templates.fingerprint import fingerprint
from app.templates.headers import compile_headers
from app.templates.hole import make_hole
from app.templates.jsonparts import JsonPlace, compile_omitting, compile_written
from app.templates.jsonscan import JsonBreak
from app.templates.link import Link, compile_link
from app.templates.names import VOLATILE, nearest_macro
from app.templates.ops import Op, Piece, is_moody, joined, run
from app.templates.pairs import PairPlace, compile_pairs, read_pairs
from app.templates.scan import Macro, Source, scan, secrets_of
from app.templates.text import DOT_SEGMENT, Text, body_too_long, has_dot_segment, link_too_long
from app.templates.units import line_and_column, skip_white, trim

Pieces = list[Piece]


class Rendered(msgspec.Struct, frozen=True):
    """A rendered request: what is sent once the slots of its secrets are filled.

    `headers` holds the Content-Type that the template implies too; `body` is None for GET. Requests with
    equal fingerprints are the same news for their receiver.
    """

    method: str
    link: Text
    headers: dict[str, Text]
    body: Text | None
    fingerprint: str


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
        self._before = link.scheme + link.authority.text
        self._path, self._path_at, self._query, self._body = link.path, link.path_at, link.query, body
        self._headers = [(header.name, header.value) for header in compiled]
        self._volatile = not VOLATILE.isdisjoint(self.macros)
        self._moody = is_moody(link.query) or is_moody(body or ())

    def render(self, facts: Facts, *, strict: bool = False) -> Rendered:
        """The request for these facts; `strict` refuses an unknown macro that is no tag of the lead.

        Raises `TemplateFault`.
        """
        if strict:
            self._refuse_unknown(facts)
        link, headers, body = self._run(facts, constant=False)
        self._check(link, body)
        compared = link, headers, body
        if self._volatile and self._moody:
            compared = self._run(facts, constant=True)
        return Rendered(
            self.method,
            joined(link),
            {name: joined(value) for name, value in headers},
            None if body is None else joined(body),
            fingerprint(self.method, *compared),
        )

    def _run(self, facts: Facts, *, constant: bool) -> tuple[Pieces, list[tuple[str, Pieces]], Pieces | None]:
        link: Pieces = [self._before]
        run(self._path, facts, link, constant)
        if self._path_at is not None and has_dot_segment(_known(link[1:])):
            raise TemplateFault("link", self._path_at, DOT_SEGMENT)
        run(self._query, facts, link, constant)
        headers = [(name, _pieces(value, facts, constant)) for name, value in self._headers]
        return link, headers, None if self._body is None else _pieces(self._body, facts, constant)

    def _check(self, link: Pieces, body: Pieces | None) -> None:
        if reason := link_too_long(_known(link)):
            raise TemplateFault("link", None, reason)
        if body is not None and (reason := body_too_long(_known(body))):
            raise TemplateFault(self.body_part, None, reason)

    def _refuse_unknown(self, facts: Facts) -> None:
        for part, macro in self._unknown:
            at = None if part == "header" else macro.at
            if macro.name not in facts.lead.tags:
                near = nearest_macro(macro.name)
                reason = f"unknown macro {macro.text}, the nearest known name is {{{near}}}"
                raise TemplateFault(part, at, reason)
            if (fault := filter_fault(macro.filters)) is not None:
                raise TemplateFault(part, at, f"{macro.text}: {fault}")


def _pieces(ops: Sequence[Op], facts: Facts, constant: bool) -> Pieces:
    out: Pieces = []
    run(ops, facts, out, constant)
    return out


def _known(pieces: Sequence[Piece]) -> str:
    """What is known of a text before its secrets are; a secret counts as one character."""
    return "".join([piece if isinstance(piece, str) else "x" for piece in pieces])


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
