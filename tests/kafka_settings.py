"""Settings of a test's own installation on the session's broker: a prefix nobody else has."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Protocol

from app.settings import Settings, load


class Reached(Protocol):
    """A broker, Apache Kafka or the embedded one: its address."""

    bootstrap: str


def settings_for(kafka: Reached, folder: Path, **more: str) -> Settings:
    """Settings with a fresh prefix, 4 partitions, data in `folder`; `more` as names in lower case."""
    return load(environ_for(kafka, folder, **more))


def environ_for(kafka: Reached, folder: Path, **more: str) -> dict[str, str]:
    """The same as the environment of a process."""
    environ = {
        "POSTBACKS_KAFKA": kafka.bootstrap,
        "POSTBACKS_PREFIX": f"t{secrets.token_hex(4)}",
        "POSTBACKS_PARTITIONS": "4",
        "POSTBACKS_DATA_DIR": str(folder),
        "POSTBACKS_WORKER": "w1",
        "POSTBACKS_LOG_FORMAT": "json",
    }
    return environ | {f"POSTBACKS_{name.upper()}": value for name, value in more.items()}
