"""How a process of ours begins and ends."""

from __future__ import annotations

import asyncio
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


def end(status: int) -> NoReturn:
    """End the process at once, whatever its threads and its loop still hold."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)
