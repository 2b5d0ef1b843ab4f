"""Where the CPU goes: py-spy's stacks of a running worker, by function and by package."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FRAME = re.compile(r"^(?P<function>.*) \((?P<file>.*?)(:(?P<line>\d+))?\)$")
_RATE = 250
_INSTALLED = ("aiokafka", "faust", "mode", "aiohttp")
_AROUND = ("stdlib", "app.cli", "app.main", "typer")


@contextmanager
def recording(pid: int, into: Path) -> Iterator[None]:
    """Sample the process meanwhile; `into` gets one line a stack with the number of its samples."""
    command = [str(Path(sys.executable).parent / "py-spy"), "record", "--format", "raw", "--rate", str(_RATE),
               "--duration", "3600", "--pid", str(pid), "--output", str(into)]  # fmt: skip
    spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)
        spy.wait(timeout=60)


def package_of(file: str) -> str:
    """`app.outbound` of …/app/outbound/courier.py, `aiokafka` of …/site-packages/aiokafka/x.py, else stdlib.

    What is compiled (uvloop, orjson, sockets) counts for the Python function that called it.
    """
    parts = Path(file).with_suffix("").parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    if "app" in parts:
        return ".".join(parts[parts.index("app") :][:2])
    return parts[0] if len(parts) > 1 and parts[0] in _INSTALLED else "stdlib"


class Shares:
    """Samples by innermost function, by its package and by the outermost package of interest."""

    def __init__(self, stacks: str) -> None:
        self.functions: Counter[str] = Counter()
        self.packages: Counter[str] = Counter()
        self.askers: Counter[str] = Counter()
        for line in stacks.splitlines():
            stack, _, count = line.rpartition(" ")
            if frames := [frame for text in stack.split(";") if (frame := _FRAME.match(text))]:
                self._add(frames, int(count))

    def _add(self, frames: list[re.Match[str]], count: int) -> None:
        packages = [package_of(frame["file"]) for frame in frames]
        self.functions[f"{packages[-1]} {Path(frames[-1]['file']).name}:{frames[-1]['function']}"] += count
        self.packages[packages[-1]] += count
        self.askers[next((name for name in packages if name not in _AROUND), "stdlib")] += count


def told(stacks: str, most: int = 25) -> str:
    """The shares as tables, in percent of all samples."""
    shares = Shares(stacks)
    return "\n\n".join(
        _table(title, found, most)
        for title, found in (
            ("outermost package", shares.askers),
            ("package (self time)", shares.packages),
            ("function (self time)", shares.functions),
        )
    )


def _table(title: str, found: Counter[str], most: int) -> str:
    total = found.total() or 1
    rows = [f"| {name} | {100 * count / total:.1f} |" for name, count in found.most_common(most)]
    return "\n".join([f"| {title} | % |", "| --- | --- |", *rows])
