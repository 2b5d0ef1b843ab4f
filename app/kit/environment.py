"""Where settings come from: the environment, a `.env` file, and a `dev` that runs in the data directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from app.kit import home
from app.kit.dotenv import read_dotenv
from app.kit.reader import PREFIX, SettingsFault

ADDRESSES = (f"{PREFIX}KAFKA", f"{PREFIX}CLICKHOUSE")
"""What says where an installation is."""
_DATA_DIR = f"{PREFIX}DATA_DIR"


def environment() -> dict[str, str]:
    """The process's environment over a `.env` file in the working directory.

    Where neither names an address, those of the `dev` that runs in the same data directory hold, and its
    tables are where it keeps them. Raises `SettingsFault`.
    """
    own = own_environment()
    data_dir = _data_dir(own)
    if names_an_address(own) or not home.is_held(data_dir):
        return own
    found = _of_dev(data_dir)
    return own | {
        name: value for name, value in found.items() if name == _DATA_DIR or not own.get(name, "").strip()
    }


def own_environment() -> dict[str, str]:
    """The process's environment over a `.env` file in the working directory. Raises `SettingsFault`."""
    try:
        return {**read_dotenv(Path(".env")), **os.environ}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFault(f"the file .env cannot be read: {error}") from error


def names_an_address(environ: Mapping[str, str]) -> bool:
    """Whether `environ` says where Kafka or ClickHouse is."""
    return any(environ.get(name, "").strip() for name in ADDRESSES)


def gone_dev(environ: Mapping[str, str]) -> str:
    """A sentence about a `dev` that is gone and left its addresses; empty when there is none."""
    data_dir = _data_dir(environ)
    if names_an_address(environ) or home.is_held(data_dir) or not _of_dev(data_dir):
        return ""
    return (
        f"{data_dir / home.FILE} is of a postbacks dev that is gone, its addresses are not used: "
        f"start it again, or set {' and '.join(ADDRESSES)}"
    )


def _data_dir(environ: Mapping[str, str]) -> Path:
    return Path(environ.get(_DATA_DIR, "").strip() or ".postbacks")


def _of_dev(data_dir: Path) -> dict[str, str]:
    try:
        return home.read(data_dir)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFault(f"the file {data_dir / home.FILE} cannot be read: {error}") from error
