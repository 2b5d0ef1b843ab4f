"""How a process of ours begins and ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import NoReturn


class StartFault(Exception):
    """A process, or an engine that it needs, cannot start; the text says why and what to do."""


def told_to_stop() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    return stop


_NEW_OBJECTS = 50_000  # Python's own is 700: at full load that many are in flight at any moment


def collect_rarely() -> None:
    """Look for garbage in cycles seldom, and never again among what the start has made.

    What is handled leaves no cycles: it is freed at once. Python's default looked through all that was in
    flight again and again, for a sixth of the CPU. What a failure leaves behind is found later, not never.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 10)


def end(status: int) -> NoReturn:
    """End the process at once, whatever its threads and its loop still hold."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)
