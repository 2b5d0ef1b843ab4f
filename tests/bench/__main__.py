"""All benches, or those named: `python -m tests.bench [NAME…]`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial

from tests.bench.pairs import PAIRS, table_of
from tests.bench.sinks import receiver
from tests.bench.stage import broker, machine


def _pair(name: str) -> str:
    with broker() as kafka, receiver() as sink:
        return asyncio.run(table_of(PAIRS[name], kafka, sink))


BENCHES: dict[str, Callable[[], str]] = {name: partial(_pair, name) for name in PAIRS}


def main(names: list[str]) -> None:
    """Run them and print their tables."""
    if unknown := [name for name in names if name not in BENCHES]:
        sys.exit(f"no bench {unknown[0]!r}: they are {', '.join(BENCHES)}")
    for name in names or BENCHES:
        table = BENCHES[name]()
        print(f"\n{machine()}; make bench NAME={name}\n\n{table}\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
