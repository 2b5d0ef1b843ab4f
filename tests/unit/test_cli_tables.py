"""Tables fit the terminal: what is wide is cut, then what matters least goes, and nothing wraps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.cli.tables import Column, fitted

_COLUMNS = (
    Column("id"),
    Column("lead", rank=1, least=6),
    Column("reason", rank=2, least=8),
    Column("ms", rank=3),
)


def test_everything_is_whole_where_there_is_room() -> None:
    assert fitted(_COLUMNS, (8, 10, 30, 4), 58) == {"id": 8, "lead": 10, "reason": 30, "ms": 4}


def test_the_widest_is_cut_before_anything_goes() -> None:
    assert fitted(_COLUMNS, (8, 10, 30, 4), 40) == {"id": 8, "lead": 10, "reason": 12, "ms": 4}


def test_what_cannot_be_cut_any_more_goes_the_least_important_first() -> None:
    assert fitted(_COLUMNS, (8, 10, 30, 4), 31) == {"id": 8, "lead": 9, "reason": 10}
    assert fitted(_COLUMNS, (8, 10, 30, 4), 20) == {"id": 8, "lead": 10}
    assert fitted(_COLUMNS, (8, 10, 30, 4), 5) == {"id": 8}


_column = st.builds(
    Column,
    st.text("abc", min_size=1, max_size=8),
    rank=st.integers(0, 5),
    least=st.integers(0, 12),
)


@given(
    st.lists(
        st.tuples(_column, st.integers(0, 60)), min_size=1, max_size=8, unique_by=lambda pair: pair[0].name
    ),
    st.integers(1, 200),
)
def test_a_table_never_is_wider_than_the_terminal_while_a_column_can_go(
    table: list[tuple[Column, int]], width: int
) -> None:
    columns = [column for column, _ in table]
    natural = [max(len(column.name), wanted) for column, wanted in table]
    widths = fitted(columns, natural, width)
    total = sum(widths.values()) + 2 * (len(widths) - 1)
    can_go = [column.name for column in columns if column.rank and column.name in widths]
    assert total <= width or not can_go
    for column, whole in zip(columns, natural, strict=True):
        assert column.rank or column.name in widths
        if column.name in widths:
            assert min(whole, max(column.least, len(column.name))) <= widths[column.name] <= whole
            assert column.least or widths[column.name] == whole
