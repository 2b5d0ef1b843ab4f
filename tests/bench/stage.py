"""What every bench runs on: a broker, a receiver, and what is said about the machine."""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from tests.kafka import Kafka, start_kafka


@contextmanager
def broker() -> Iterator[Kafka]:
    """Run Apache Kafka; a SIGTERM meanwhile ends all that was started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a fresh topic has no leader for a moment
    with tempfile.TemporaryDirectory(prefix="postbacks-bench-", ignore_cleanup_errors=True) as folder:
        kafka = start_kafka(Path(folder))
        try:
            yield kafka
        finally:
            kafka.kill()


def machine() -> str:
    """Day and machine, for a table's caption."""
    names = [line for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    cpu = names[0].partition(": ")[2] if names else platform.processor()
    memory = psutil.virtual_memory().total / 2**30
    cores = f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GiB"
    return f"{datetime.now(UTC):%Y-%m-%d}, {cores}, {platform.system()}, Python {platform.python_version()}"


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
