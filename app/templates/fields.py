"""The fields of a request as a template writes them: pairs of link and form, JSON members, headers. For lint.

What cannot be read is left out; its fault is `compile_template`'s to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from app.templates import jsonscan
from app.templates.fault import TemplateFault
from app.templates.jsonscan import Container, JsonBreak, Node
from app.templates.link import read_link
from app.templates.pairs import Pair, read_pairs
from app.templates.scan import Macro, Source, Unit, scan, scan_header
from app.templates.units import text_of_units, trim

Part = Literal["path", "query", "form", "json", "header"]


@dataclass(frozen=True, slots=True)
class Field:
    """A value as written. `name` is the last part of `path` (`data[].user_data.em`), empty in the path.

    `at` is the place of the value in the template in code points (of a header: in its value).
    """

    part: Part
    path: str
    units: tuple[Unit, ...]
    at: int

    @property
    def name(self) -> str:
        """The name alone: of `data[].user_data.em[]` it is `em`."""
        return self.path.replace("[]", "").rpartition(".")[2]

    @property
    def macros(self) -> list[Macro]:
        """The macros in the value."""
        return [unit for unit in self.units if isinstance(unit, Macro)]

    def told(self) -> str:
        """The field and its place, for a warning."""
        place = "in the path" if self.part == "path" else self.path
        return f"header {self.path}" if self.part == "header" else f"{place} at {self.at}"


def host_of(template: str) -> str:
    """The host that a template leads to, without its port; empty where it cannot be read."""
    try:
        return read_link(scan(template)).authority.host
    except TemplateFault:
        return ""


def fields_of(template: str, headers: Mapping[str, str]) -> list[Field]:
    """The fields of a template and the headers that its flow adds, in their order."""
    found = []
    for name, value in headers.items():
        try:
            found.append(Field("header", name, tuple(scan_header(value)), 0))
        except TemplateFault:
            continue
    try:
        source = scan(template)
        return found + list(_of_source(source))
    except TemplateFault:
        return found


def _of_source(source: Source) -> Iterator[Field]:
    """Raises `TemplateFault`."""
    link, end = read_link(source), len(source.units)
    yield Field("path", "", tuple(source.units[slice(*link.path)]), source.offsets[link.path[0]])
    for pair in link.pairs:
        yield from _of_pair(source, "query", pair)
    if source.kind == "form":
        for pair in read_pairs(source.units, source.body, end, in_query=False)[0]:
            yield from _of_pair(source, "form", pair)
    elif source.kind == "json":
        start, stop = trim(source.units, source.body, end, jsonscan.WHITE)
        try:
            yield from _of_node(source, "json", "", jsonscan.read(source.units, start, stop)[0])
        except JsonBreak:
            return


def _of_pair(source: Source, part: Part, pair: Pair) -> Iterator[Field]:
    if pair.value is None:
        return
    name = text_of_units(source.units[slice(*pair.name)])
    if pair.node is not None:
        yield from _of_node(source, part, name, pair.node)
    else:
        yield Field(part, name, tuple(source.units[slice(*pair.value)]), source.offsets[pair.value.start])


def _of_node(source: Source, part: Part, path: str, node: Node) -> Iterator[Field]:
    if not isinstance(node, Container):
        quote = 1 if node.kind == "string" else 0
        units = tuple(source.units[node.start + quote : node.end - quote])
        yield Field(part, path, units, source.offsets[node.start + quote])
        return
    for key, item in node.items:
        if key is None:
            below = path + "[]"
        else:
            name = text_of_units(source.units[key.start + 1 : key.end - 1])
            below = f"{path}.{name}" if path else name
        yield from _of_node(source, part, below, item)
