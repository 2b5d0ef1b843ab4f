"""All benches, or those named: `python -m tests.bench [NAME…]`. Each is a command of its own as well.

| name | what it measures |
| --- | --- |
| full, slow, steady | ours and the peer: full load, a receiver that takes 50 ms, 500 events/s (`pairs`) |
| log | LOG alone in its worker, ClickHouse's CPU beside |
| log-row, join, send, http, render | a stage's own code by itself |
| state, flows, flows-load | a million leads, fifty thousand flows |
| pages | each page and filter over a million rows of the log |
| dead | deliveries while targets are dead |
| sizes | bytes of a delivery in each topic and table |
| soak | ten minutes, by name alone |
"""

from __future__ import annotations

import subprocess
import sys

from tests.bench.stage import machine

BENCHES = {
    "full": ["pairs", "full"],
    "slow": ["pairs", "slow"],
    "steady": ["pairs", "steady"],
    "dead": ["dead"],
    "log": ["pipeline", "--roles", "log", "--repeat", "3"],
    "log-row": ["log_cost"],
    "join": ["join_cost"],
    "send": ["outbound_cost"],
    "http": ["http_cost"],
    "render": ["render_cost"],
    "state": ["state_cost"],
    "flows": ["flows_cost"],
    "flows-load": ["flows_load"],
    "sizes": ["sizes"],
    "soak": ["soak"],
    "pages": ["pages_cost"],
}
_LONG = {"soak"}


def main(names: list[str]) -> int:
    """Run them, each in a process of its own; how many failed."""
    if unknown := [name for name in names if name not in BENCHES]:
        sys.exit(f"no bench {unknown[0]!r}: they are {', '.join(BENCHES)}")
    print(machine())
    failed = 0
    for name in names or [name for name in BENCHES if name not in _LONG]:
        print(f"\nmake bench NAME={name}\n", flush=True)
        module, *arguments = BENCHES[name]
        failed += subprocess.run([sys.executable, "-m", f"tests.bench.{module}", *arguments]).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
