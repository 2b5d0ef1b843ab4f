"""What processes cost: CPU of all their threads and children, and memory."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time so far, in seconds, of these processes and of all their children."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system
        ended = process.cpu_times()
        total += ended.children_user + ended.children_system
    return total


def rss_mib(pids: Iterable[int]) -> float:
    """Resident memory in MiB."""
    return sum(psutil.Process(pid).memory_info().rss for pid in pids) / 2**20
