"""The bench of the pages asks for what there is: each address is answered, over few rows, by no clock."""

from __future__ import annotations

import pytest

from tests.bench.pages_cost import FILTERS, slow_pages

pytestmark = pytest.mark.chdb


async def test_the_bench_of_the_pages_is_answered_by_each_of_them(
    clickhouse_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await slow_pages(clickhouse_url, rows=2_000, times=1)
    told = capsys.readouterr().out
    for name in (*FILTERS, "Show", "lead", "overview, a week"):
        assert f"\n{name}  " in told
