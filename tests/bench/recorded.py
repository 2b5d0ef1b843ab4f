"""What docs/performance.md records, to be held against what is measured now."""

from __future__ import annotations

import re
from pathlib import Path

from tests.bench.pairs import OURS, Pair

PERFORMANCE = Path(__file__).parents[2] / "docs" / "performance.md"


def recorded_ratio(text: str, pair: Pair) -> float:
    """Our CPU as a multiple of the peer's three hops, from the pair's table in the document.

    Raises `ValueError` when the document has no such table.
    """
    found = re.search(
        rf"^\| {re.escape(pair.title)} \|.*?^\| {OURS} \|[^|]*\| ([\d.]+) \|", text, re.S | re.M
    )
    if found is None:
        raise ValueError(f"no table {pair.title!r} with a row {OURS!r}: make bench NAME=full prints it")
    return float(found[1])
