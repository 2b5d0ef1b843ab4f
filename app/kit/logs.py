"""Structured logs: one line an entry, JSON or console, with request, lead and flow where there is one."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, TextIO

import structlog

from app.kit.hiding import hide, to_hide

_FROM_LIBRARIES = logging.WARNING  # faust, mode and aiokafka tell every step at INFO
_SELDOM_S = 5.0
_SHORTEST_HIDDEN = 8  # characters; a shorter one would be found in times and words
_hidden: Callable[[], Iterable[str]] = tuple
_ours = logging.getLogger("postbacks")
_FALSE_ALARM = "faust.transport.drivers.aiokafka"  # faust-streaming#503: idle partitions called stuck


class _Seldom(logging.Filter):
    """Lets each of the libraries' sentences through once in five seconds: with Kafka away they repeat it."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        if record.name == "postbacks":
            return True
        sentence = f"{record.name}:{record.lineno}"
        if record.created - self._told_at.get(sentence, 0.0) < _SELDOM_S:
            return False
        self._told_at[sentence] = record.created
        return True


class _Masked(structlog.stdlib.ProcessorFormatter):
    """Writes an entry without any of the values to hide, tracebacks and libraries' sentences included."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        hidden = frozenset(value for value in _hidden() if len(value) >= _SHORTEST_HIDDEN)
        return hide(super().format(record), to_hide(hidden))


def hide_in_logs(values: Callable[[], Iterable[str]]) -> None:
    """From now on write none of `values()`, which is asked at each entry, into a line."""
    global _hidden
    _hidden = values


def configure(log_format: str, level: str, out: TextIO | None = None) -> None:
    """Send our logs and the libraries' to `out` (standard error) as `json` or `console` lines.

    A console has the time of day where it stands, and colours on a terminal unless `NO_COLOR` is set.
    """
    out = out or sys.stderr
    is_json = log_format == "json"
    final: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if is_json
        else structlog.dev.ConsoleRenderer(colors=out.isatty() and not os.environ.get("NO_COLOR"))
    )
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if is_json else "%H:%M:%S", utc=is_json),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        _Masked(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                final,
            ],
        )
    )
    handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_FROM_LIBRARIES)
    _ours.setLevel(level.upper())
    logging.getLogger(_FALSE_ALARM).setLevel(logging.CRITICAL)


def logger() -> structlog.stdlib.BoundLogger:
    """The product's own logger; bind request, lead and flow to it."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("postbacks")
    return bound


def tells_all() -> bool:
    """Whether our entries of level debug are written: asked where one would be made for each request."""
    return _ours.isEnabledFor(logging.DEBUG)
