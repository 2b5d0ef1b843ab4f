"""The benches' Go programs, built on demand into `.cache/bench` (Go's own cache makes a second build quick).

`sink` is the receiver, `peer` is Benthos, the engine of Redpanda Connect, with a franz-go input and output,
`load` produces lead events, copies a topic and reads one to no end.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

_ROOT = Path(__file__).parent
_BUILT = _ROOT.parents[1] / ".cache" / "bench"
_SOURCES = {"sink": ("sink", "."), "peer": ("peer", "."), "load": ("peer", "./cmd/load")}


@functools.cache
def program(name: str) -> Path:
    """The program's file, built from its source. Raises `RuntimeError` without Go."""
    if not shutil.which("go"):
        raise RuntimeError("the benches need Go (1.26 or newer): https://go.dev/dl/")
    folder, package = _SOURCES[name]
    made = _BUILT.resolve() / name
    subprocess.run(["go", "build", "-o", made, package], cwd=_ROOT / folder, check=True, timeout=900)
    return made
