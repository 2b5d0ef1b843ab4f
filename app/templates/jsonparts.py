"""Compile JSON with macros in it: the JSON part, or a JSON value of a query or form.

Without `omit_empty` the text is sent as it was written. With it the white space between tokens goes, and
what may be left out is decided at each rendering over a plan made here: nothing is read again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.templates.encode import Place, percent
from app.templates.fault import Part, TemplateFault
from app.templates.hole import Hole, make_hole
from app.templates.jsonscan import Container, Node, Scalar
from app.templates.ops import Emit, Omitting, Op, OpList, Piece, Pool, bind, emit, is_moody, omittable
from app.templates.scan import Macro, Unit
from app.templates.text import Slot
from app.templates.units import is_macros_alone, runs


@dataclass(frozen=True, slots=True)
class JsonPlace:
    """Where JSON stands: the part of the template, and whether it is a value of a query or form."""

    part: Part
    in_pair: bool

    def text(self, text: str) -> str:
        """The template's own JSON text as it is sent there."""
        return percent(text) if self.in_pair else text

    def hole(self, macro: Macro, in_string: bool) -> Hole | Slot:
        """The hole of a macro there.

        Raises `TemplateFault`, for a raw macro too.
        """
        if macro.raw:
            reason = f"{macro.text} is raw, and a raw value could break the JSON: write it without the _"
            raise TemplateFault(self.part, macro.at, reason)
        string: Place = "pair-json-string" if self.in_pair else "json-string"
        bare: Place = "pair-json" if self.in_pair else "json"
        return make_hole(macro, string if in_string else bare, self.part)


def compile_written(units: Sequence[Unit], place: JsonPlace) -> list[Op]:
    """Compile sound JSON, to be sent as it was written.

    Raises `TemplateFault`.
    """
    ops = OpList()
    in_string = False
    for run in runs(units, 0, len(units)):
        if isinstance(run, Macro):
            ops.add(place.hole(run, in_string))
            continue
        ops.add(place.text(run))
        in_string ^= _escape.sub("", run).count('"') % 2 == 1
    return ops.ops


_escape = re.compile(r"\\.", re.DOTALL)  # no macro stands right after a backslash


def compile_omitting(units: Sequence[Unit], node: Node, place: JsonPlace) -> list[Op]:
    """Compile sound JSON, out of which what is missing is left; the top value stays.

    Raises `TemplateFault`.
    """
    if isinstance(node, Scalar):
        return compile_written(units[node.start : node.end], place)
    made = _container(units, node, place, top=True)
    return made if isinstance(made, list) else [made]


def _value(units: Sequence[Unit], node: Node, place: JsonPlace) -> list[Op] | Omitting:
    if isinstance(node, Container):
        return _container(units, node, place, top=False)
    written = units[node.start : node.end]
    in_string = node.kind == "string"
    if not is_macros_alone(written[1:-1] if in_string else written):
        return compile_written(written, place)
    return omittable(
        [place.text(unit) if isinstance(unit, str) else place.hole(unit, in_string) for unit in written]
    )


def _container(units: Sequence[Unit], node: Container, place: JsonPlace, *, top: bool) -> list[Op] | Omitting:
    items: list[_Item] = []
    for key, value in node.items:
        prefix = OpList()
        if key is not None:
            prefix.extend(compile_written(units[key.start : key.end], place))
            prefix.add(place.text(":"))
        items.append(_Item(prefix.ops, _value(units, value, place)))
    items = _joined(items, place.text(","))
    opening, closing = place.text(node.opening), place.text(node.closing)
    if any(not isinstance(item.value, list) for item in items):
        return _Container(items, (opening, closing), place.text(","), top=top)
    fixed = OpList()
    fixed.add(opening)
    for item in items:
        fixed.extend((*item.prefix, *item.ops))
    fixed.add(closing)
    return fixed.ops


def _joined(items: Sequence[_Item], comma: str) -> list[_Item]:
    """The items, neighbours that always stay joined to one."""
    joined: list[_Item] = []
    for item in items:
        if joined and isinstance(item.value, list) and isinstance(joined[-1].value, list):
            ops = OpList()
            ops.extend((*joined[-1].value, comma, *item.prefix, *item.value))
            joined[-1] = _Item(joined[-1].prefix, ops.ops)
        else:
            joined.append(item)
    return joined


@dataclass(frozen=True, slots=True)
class _Item:
    """An element, or a member with its key and colon as `prefix`; a value that is no row may be left out."""

    prefix: list[Op]
    value: list[Op] | Omitting

    @property
    def ops(self) -> list[Op]:
        """The value as ops."""
        return self.value if isinstance(self.value, list) else [self.value]


class _Container:
    """An object or array of which items may be left out, and then, unless it is the top, itself."""

    __slots__ = ("brackets", "comma", "items", "moody", "top")

    def __init__(self, items: Sequence[_Item], brackets: tuple[str, str], comma: str, *, top: bool) -> None:
        self.items = tuple(items)
        self.brackets = brackets
        self.comma = comma
        self.top = top
        values = [item.value for item in items]
        self.moody = any(is_moody(value) if isinstance(value, list) else value.moody for value in values)

    def bind(self, pool: Pool) -> Emit:
        """Bind it to a pool."""
        opening, closing = map(pool.index, self.brackets)
        comma = pool.index(self.comma)
        items = [
            (bind(item.prefix, pool), bind(item.ops, pool), isinstance(item.value, list))
            for item in self.items
        ]

        def emit_it(raw: Sequence[str], pieces: Sequence[Piece], out: list[int]) -> bool:
            begin = len(out)
            out.append(opening)
            kept = False
            for prefix, value, stays in items:
                mark = len(out)
                if kept:
                    out.append(comma)
                emit(prefix, raw, pieces, out)
                if emit(value, raw, pieces, out) or stays:
                    kept = True
                else:
                    del out[mark:]
            if not kept and not self.top:
                del out[begin:]
                return False
            out.append(closing)
            return True

        return emit_it
