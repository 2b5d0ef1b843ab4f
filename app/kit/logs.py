"""Structured logs: one line an entry, JSON or console, with request, lead and flow where there is one."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from app.kit.metrics import ALARMS

_FROM_LIBRARIES = logging.WARNING  # faust, mode and aiokafka tell every step at INFO
_SELDOM_S = 5.0
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


def configure(log_format: str, level: str) -> None:
    """Send our logs and the libraries' to standard error as `json` or `console` lines."""
    final: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
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
    logging.getLogger("postbacks").setLevel(level.upper())
    logging.getLogger(_FALSE_ALARM).setLevel(logging.CRITICAL)


def logger() -> structlog.stdlib.BoundLogger:
    """The product's own logger; bind request, lead and flow to it."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("postbacks")
    return bound


def alarm(what: str, **facts: object) -> None:
    """Say what somebody should look at now: one line at level critical marked `alarm`, and a counter."""
    ALARMS.labels(what).inc()
    logger().critical(what, alarm=True, **facts)
