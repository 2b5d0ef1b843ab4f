"""The headers of a request: literal names, values with macros, no control characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from app.templates.encode import Place, without_controls
from app.templates.fault import TemplateFault
from app.templates.hole import make_hole
from app.templates.ops import Op, OpList
from app.templates.scan import Kind, Macro, scan_header
from app.templates.units import runs

CONTENT_TYPES: dict[Kind, str] = {"form": "application/x-www-form-urlencoded", "json": "application/json"}

_TOKEN = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"
)  # RFC 9110, section 5.6.2


NEVER_A_FLOWS = frozenset(
    (
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "host",
    )
)
"""A wrong one cuts the request in two (RFC 9110, 7.6.1, 8.6, 10.1.1) or sends it past the link's host."""


class Header(NamedTuple):
    """A compiled header and the macros in its value."""

    name: str
    value: list[Op]
    macros: tuple[Macro, ...]


def compile_headers(kind: Kind, given: Mapping[str, str]) -> list[Header]:
    """The headers of a template of that kind: the Content-Type that it implies, and those given.

    A given Content-Type wins; names are compared without case. Raises `TemplateFault`, without a place.
    """
    headers = [_compile_header(name, value) for name, value in given.items()]
    if len({header.name.lower() for header in headers}) < len(headers):
        raise TemplateFault("header", None, "a header stands twice: names are compared without case")
    if kind in CONTENT_TYPES and not any(header.name.lower() == "content-type" for header in headers):
        headers.insert(0, Header("Content-Type", [CONTENT_TYPES[kind]], ()))
    return headers


def _compile_header(name: str, value: str) -> Header:
    if not name or not _TOKEN.issuperset(name):
        raise TemplateFault("header", None, f'"{name}" is no name of a header')
    if name.lower() in NEVER_A_FLOWS:
        raise TemplateFault("header", None, f"{name} is set by the link and the body alone")
    units = scan_header(value)
    place: Place = "header"
    ops = OpList()
    macros: list[Macro] = []
    for run in runs(units, 0, len(units)):
        if isinstance(run, str):
            ops.add(without_controls(run))
            continue
        if run.raw:
            raise TemplateFault(
                "header", None, f"{name}: {run.text} is raw, which has no meaning in a header"
            )
        macros.append(run)
        try:
            ops.add(make_hole(run, place, "header"))
        except TemplateFault as fault:
            raise TemplateFault("header", None, f"{name}: {fault.reason}") from None
    return Header(name, ops.ops, tuple(macros))
