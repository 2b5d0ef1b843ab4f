"""The grammar that queries and forms share: pairs of names and values, some of whose values are JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.templates import jsonscan
from app.templates.encode import Place
from app.templates.hole import Hole, make_hole
from app.templates.jsonparts import JsonPlace, compile_omitting, compile_written
from app.templates.jsonscan import JsonBreak, Node
from app.templates.ops import Emit, Omitting, Op, OpList, Piece, Pool, bind, emit, is_moody, omittable
from app.templates.scan import Source, Unit
from app.templates.text import Slot
from app.templates.units import find, is_macros_alone, literal, refuse_line_break, runs, skip_white, trim

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
KEPT_IN_QUERY = frozenset(_UNRESERVED + "+[]:,;@/?!$'()*=")
KEPT_IN_FORM = frozenset(_UNRESERVED + "+")


class Span(NamedTuple):
    """Units from `start` to `end`, the white space at both ends left out."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair as written. `value` is None without a `=`; `node` is the JSON that the value is, if it is any.

    `broken` is where and why a value that starts like JSON is none.
    """

    name: Span
    value: Span | None
    node: Node | None = None
    broken: JsonBreak | None = None


def read_pairs(units: Sequence[Unit], start: int, end: int, *, in_query: bool) -> tuple[list[Pair], int]:
    """The pairs between `start` and `end`, and where they stop: a query's at a literal `#`."""
    stops = ("&", "#") if in_query else ("&",)
    pairs: list[Pair] = []
    while True:
        equals = find(units, (*stops, "="), start, end)
        if equals == end or units[equals] != "=":
            stop = equals
            pairs.append(Pair(Span(*trim(units, start, stop)), None))
        else:
            pair, stop = _with_value(units, start, equals, end, stops)
            pairs.append(pair)
        if stop == end or units[stop] == "#":
            return pairs, stop
        start = stop + 1


def _with_value(
    units: Sequence[Unit], start: int, equals: int, end: int, stops: Sequence[str]
) -> tuple[Pair, int]:
    name = Span(*trim(units, start, equals))
    begin = skip_white(units, equals + 1, end)
    broken = None
    if begin < end and units[begin] in ("{", "["):
        try:
            node, after = jsonscan.read(units, begin, end)
            stop = skip_white(units, after, end)
            if stop == end or units[stop] in stops:
                return Pair(name, Span(begin, after), node), stop
            broken = JsonBreak(stop, "something follows the JSON")
        except JsonBreak as fault:
            broken = fault
    stop = find(units, stops, equals + 1, end)
    return Pair(name, Span(*trim(units, equals + 1, stop)), None, broken), stop


@dataclass(frozen=True, slots=True)
class PairPlace:
    """Where pairs stand: in the link's query or in a form."""

    source: Source
    in_query: bool
    omit_empty: bool

    @property
    def kept(self) -> frozenset[str]:
        """The literal characters that stay as they are."""
        return KEPT_IN_QUERY if self.in_query else KEPT_IN_FORM

    @property
    def json(self) -> JsonPlace:
        """The place of JSON values there."""
        return JsonPlace("link" if self.in_query else "form", in_pair=True)

    def pieces(self, span: Span) -> list[str | Hole | Slot]:
        """A name, or a value that is no JSON, in compiled pieces.

        Raises `TemplateFault`, in a query also for a line break.
        """
        if self.in_query:
            refuse_line_break(self.source, *span)
        pair: Place = "pair"
        return [
            literal(run_, self.kept) if isinstance(run_, str) else make_hole(run_, pair, self.json.part)
            for run_ in runs(self.source.units, *span)
        ]


def compile_pairs(pairs: Sequence[Pair], place: PairPlace, lead_in: str) -> list[Op]:
    """Compile pairs to ops; `lead_in` (`?` of a query) stands before the first pair that stays.

    Raises `TemplateFault`.
    """
    made = [made for pair in pairs if (made := _compile_pair(pair, place))]
    if any(pair.may_go for pair in made):
        return [_Pairs(made, lead_in)]
    ops = OpList()
    for index, pair in enumerate(made):
        ops.add("&" if index else lead_in)
        ops.extend((*pair.name, pair.equals))
        ops.extend(pair.value if isinstance(pair.value, list) else [pair.value])
    return ops.ops


@dataclass(frozen=True, slots=True)
class _Pair:
    """A compiled pair. A value that is no row may be left out, and then the pair is.

    `may_empty` is whether name and value can both come out empty, which drops the pair too; `moody` whether
    a volatile macro may decide on what is left out.
    """

    name: list[Op]
    equals: str
    value: list[Op] | Omitting
    may_empty: bool
    moody: bool

    @property
    def may_go(self) -> bool:
        return self.may_empty or not isinstance(self.value, list)

    def bind(self, pool: Pool) -> Emit:
        """Bind it to a pool."""
        name = bind(self.name, pool)
        value = bind(self.value if isinstance(self.value, list) else [self.value], pool)
        equals = pool.index(self.equals)

        def emit_it(raw: Sequence[str], pieces: Sequence[Piece], out: list[int]) -> bool:
            begin = len(out)
            emit(name, raw, pieces, out)
            out.append(equals)
            stays = emit(value, raw, pieces, out)
            if not stays or (self.may_empty and not any(pieces[at] for at in out[begin:] if at != equals)):
                del out[begin:]
                return False
            return True

        return emit_it


def _compile_pair(pair: Pair, place: PairPlace) -> _Pair | None:
    """The compiled pair; None for one that is always empty."""
    name = place.pieces(pair.name)
    equals = "" if pair.value is None else "="
    if pair.node is not None and pair.value is not None:
        json = _json_value(pair.value, pair.node, place)
        return _Pair(_ops(name), equals, json, may_empty=False, moody=is_moody(json))
    pieces = [] if pair.value is None else place.pieces(pair.value)
    if not name and not pieces:
        return None
    value: list[Op] | Omitting = _ops(pieces)
    if (
        pair.value is not None
        and place.omit_empty
        and is_macros_alone(place.source.units[slice(*pair.value)])
    ):
        value = omittable(pieces)
    pieces = name + pieces
    may_empty = not any(isinstance(piece, str) for piece in pieces)
    volatile = any(isinstance(piece, Hole) and piece.volatile for piece in pieces)
    moody = volatile and (may_empty or not isinstance(value, list))
    return _Pair(_ops(name), equals, value, may_empty, moody)


def _ops(pieces: Sequence[str | Hole | Slot]) -> list[Op]:
    ops = OpList()
    ops.extend(pieces)
    return ops.ops


def _json_value(span: Span, node: Node, place: PairPlace) -> list[Op]:
    units = place.source.units
    if place.omit_empty:
        return compile_omitting(units, node, place.json)
    if place.in_query:
        refuse_line_break(place.source, *span)
    return compile_written(units[slice(*span)], place.json)


class _Pairs:
    """Pairs some of which may be left out, so that what stands between them is known only then."""

    __slots__ = ("lead_in", "moody", "pairs")

    def __init__(self, pairs: Sequence[_Pair], lead_in: str) -> None:
        self.pairs = tuple(pairs)
        self.lead_in = lead_in
        self.moody = any(pair.moody for pair in pairs)

    def bind(self, pool: Pool) -> Emit:
        """Bind it to a pool."""
        lead_in, mark = pool.index(self.lead_in), pool.index("&")
        pairs = [pair.bind(pool) for pair in self.pairs]

        def emit_it(raw: Sequence[str], pieces: Sequence[Piece], out: list[int]) -> bool:
            before = lead_in
            for pair in pairs:
                out.append(before)
                if pair(raw, pieces, out):
                    before = mark
                else:
                    out.pop()
            return True

        return emit_it
