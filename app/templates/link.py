"""The link of a template: where it leads, its path and its query. The fragment is not sent."""

from __future__ import annotations

from dataclasses import dataclass

from app.templates.encode import Place
from app.templates.fault import TemplateFault
from app.templates.hole import make_hole
from app.templates.host import Authority, read_authority
from app.templates.ops import Op, OpList
from app.templates.pairs import Pair, PairPlace, compile_pairs, read_pairs
from app.templates.scan import Macro, Source
from app.templates.text import has_dot_segment
from app.templates.units import find, literal, refuse_line_break, runs, trim
from app.templates.values import WHITE

_PCHAR = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@"
)  # RFC 3986, section 3.3
_IN_PATH = _PCHAR | {"/"}
_SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class LinkText:
    """A link as written, in indexes of its source's units: the path, and the query's pairs.

    `fragment` is the index of a literal `#`, or None.
    """

    scheme: str
    authority: Authority
    path: tuple[int, int]
    pairs: list[Pair]
    fragment: int | None


@dataclass(frozen=True, slots=True)
class Link:
    """A compiled link; `path_at` is the place of the first macro in the path, None when it has none."""

    scheme: str
    authority: Authority
    path: list[Op]
    query: list[Op]
    path_at: int | None
    fragment: int | None


def read_link(source: Source) -> LinkText:
    """Read the link of a template.

    Raises `TemplateFault` for what may not stand in it.
    """
    units = source.units
    start, end = trim(units, 0, source.split)
    scheme = _read_scheme(source, start, end)
    host_at = start + len(scheme)
    path_at = find(units, "/?#", host_at, end)
    authority = _read_authority(source, host_at, path_at)
    stop = find(units, "?#", path_at, end)
    path = trim(units, path_at, stop)
    if stop == end or units[stop] == "#":
        return LinkText(scheme, authority, path, [], None if stop == end else stop)
    pairs, after = read_pairs(units, stop + 1, end, in_query=True)
    return LinkText(scheme, authority, path, pairs, None if after == end else after)


def _read_scheme(source: Source, start: int, end: int) -> str:
    head: list[str] = []
    for unit in source.units[start:end]:
        if not isinstance(unit, str):
            break
        head.append(unit)
        if "".join(head[-3:]) == "://":
            break
    scheme = "".join(head).lower()
    if scheme in _SCHEMES:
        return scheme
    if start + len(head) < end and isinstance(macro := source.units[start + len(head)], Macro):
        raise TemplateFault(
            "link", macro.at, f"{macro.text} may not stand before the host: a link begins as text"
        )
    raise TemplateFault("link", source.offsets[start], "a link begins with http:// or https://")


def _read_authority(source: Source, start: int, end: int) -> Authority:
    for unit in source.units[start:end]:
        if isinstance(unit, Macro):
            reason = f"{unit.text} may not stand in the host or port: where a request goes is fixed"
            raise TemplateFault("link", unit.at, reason)
    text = "".join(map(str, source.units[start:end]))
    if end == source.split or source.units[end] != "/":
        text = text.rstrip(WHITE)  # beside a ? and at the link's end it is dropped
    try:
        return read_authority(text)
    except ValueError as fault:
        raise TemplateFault("link", source.offsets[start], str(fault)) from None


def compile_link(source: Source, *, omit_empty: bool) -> Link:
    """Compile the link of a template.

    Raises `TemplateFault`.
    """
    written = read_link(source)
    path = _compile_path(source, *written.path)
    query = compile_pairs(written.pairs, PairPlace(source, in_query=True, omit_empty=omit_empty), "?")
    macros = [unit for unit in source.units[slice(*written.path)] if isinstance(unit, Macro)]
    path_at = macros[0].at if macros else None
    return Link(written.scheme, written.authority, path, query, path_at, written.fragment)


def _compile_path(source: Source, start: int, end: int) -> list[Op]:
    refuse_line_break(source, start, end)
    place: Place = "path"
    ops = OpList()
    for run in runs(source.units, start, end):
        ops.add(literal(run, _IN_PATH) if isinstance(run, str) else make_hole(run, place, "link"))
    _refuse_dot_segment(source, start, end)
    return ops.ops or ["/"]


def _refuse_dot_segment(source: Source, start: int, end: int) -> None:
    """Refuse a segment that is literally `.` or `..`; one with a macro is looked at when it is rendered."""
    while start < end:
        stop = find(source.units, "/", start + 1, end)
        segment = source.units[start:stop]
        if all(isinstance(unit, str) for unit in segment) and has_dot_segment("".join(map(str, segment))):
            raise TemplateFault("link", source.offsets[start + 1], "a segment of the path is . or ..")
        start = stop
