"""Columns as a block of ClickHouse's format Native, which an insert takes as it is.

clickhouse-connect writes most columns. Maps, prices and those of low cardinality, on which it spends two
thirds of its time, are written here, in what C does to a column at once.
Format: https://clickhouse.com/docs/interfaces/formats/Native, and SerializationLowCardinality.cpp.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate, chain
from struct import pack
from typing import Any

from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.exceptions import DataError
from clickhouse_connect.driver.insert import InsertContext

from app.log.columns import Column
from app.log.tables import Table

_Write = Callable[[Sequence[Any], bytearray], None]

_LOW_CARDINALITY = pack("<Q", 1)  # the version of its keys, before the column
_OWN_KEYS = (1 << 9) | (1 << 10)  # a block brings its own dictionary
_WIDTHS = ((1 << 8, 0, "B"), (1 << 16, 1, "H"), (1 << 32, 2, "I"))  # keys below, the index's type, as array

_UNFIT = (DataError, ValueError, TypeError, AttributeError, ArithmeticError)


class Unfit(Exception):
    """A value does not fit its column; the text names the column."""


def native_block(table: Table, columns: Sequence[Column]) -> bytes:
    """A block of the rows whose columns these are, in the order of the table. Raises `Unfit`."""
    block = bytearray(_number(len(columns)) + _number(len(columns[0])))
    for name, type_, column in zip(table.columns, table.types, columns, strict=True):
        block += _head(name, type_)
        try:
            _writer(type_)(column, block)
        except _UNFIT as error:
            raise Unfit(f"{name}: {error}") from error
    return bytes(block)


@cache
def _head(name: str, type_: str) -> bytes:
    return _text(name.encode()) + _text(type_.encode())


def _text(text: bytes) -> bytes:
    return _number(len(text)) + text


def _number(number: int) -> bytes:
    """LEB128."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


@cache
def _writer(type_: str) -> _Write:
    return _OURS.get(type_) or _theirs(type_)


def _theirs(type_: str) -> _Write:
    column_type: Any = get_from_name(type_)
    context = InsertContext("", (), ())
    return lambda column, block: column_type.write_column(column, block, context)


_texts = _theirs("String")


def _low_cardinality(column: Sequence[str], block: bytearray) -> None:
    block += _LOW_CARDINALITY
    _keys(column, block)


def _keys(column: Sequence[str], block: bytearray) -> None:
    if not column:
        return
    texts = list(dict.fromkeys(column))
    index_type, code = next((index, code) for most, index, code in _WIDTHS if len(texts) <= most)
    block += pack("<QQ", _OWN_KEYS | index_type, len(texts))
    _texts(texts, block)
    block += pack("<Q", len(column))
    place = dict(zip(texts, range(len(texts)), strict=True))
    block += array(code, map(place.__getitem__, column)).tobytes()


def _map(column: Sequence[dict[str, str]], block: bytearray) -> None:
    block += _LOW_CARDINALITY
    block += array("Q", accumulate(map(len, column))).tobytes()
    _keys(list(chain.from_iterable(column)), block)
    _texts(list(chain.from_iterable(map(dict.values, column))), block)


def _prices(column: Sequence[int | None], block: bytearray) -> None:
    block += bytes([price is None for price in column])
    block += array("q", [price or 0 for price in column]).tobytes()


_OURS: dict[str, _Write] = {
    "LowCardinality(String)": _low_cardinality,
    "Map(LowCardinality(String), String)": _map,
    "Nullable(Decimal(18, 6))": _prices,
}
