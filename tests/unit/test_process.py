"""How often a process looks for garbage."""

from __future__ import annotations

import subprocess
import sys

_CYCLES = """
import gc
from app.kit.process import collect_rarely

class Cycle:
    alive = 0
    def __init__(self):
        self.me = self
        Cycle.alive += 1
    def __del__(self):
        Cycle.alive -= 1

class Kept:
    pass

kept = Kept()
collect_rarely()
assert not any(one is kept for one in gc.get_objects()), "what the start has made is looked through again"
most = 0
for _ in range(1_000_000):
    Cycle()
    most = max(most, Cycle.alive)
assert 1_000 < most < 60_000, most
"""


def test_garbage_in_cycles_is_found_now_and_then_and_never_looked_for_in_what_the_start_has_made() -> None:
    done = subprocess.run([sys.executable, "-c", _CYCLES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
