"""Where `dev` runs: a file with its addresses in its data directory, and a lock that it holds while it lives.

The lock goes with the process, however it ends; a file without it tells of a `dev` that is gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock
from pathlib import Path
from typing import IO

from app.kit.dotenv import read_dotenv
from app.kit.process import StartFault

FILE = "dev.env"
_LOCK = "dev.lock"
_TRIES = 10  # whoever looks whether the lock is held holds it for a moment
_TRY_S = 0.05


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Hold a data directory as the one `dev` in it. Raises `StartFault`."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        handle = (data_dir / _LOCK).open("a+")
    except OSError as error:
        raise StartFault(f"cannot write to {data_dir} ({error.strerror}): set POSTBACKS_DATA_DIR") from error
    with handle:
        _take(handle, data_dir)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        remove(data_dir)  # what one that is gone has left
        yield


def _take(handle: IO[str], data_dir: Path) -> None:
    for _ in range(_TRIES):
        try:
            return flock(handle, LOCK_EX | LOCK_NB)
        except OSError:
            time.sleep(_TRY_S)
    handle.seek(0)
    raise StartFault(
        f"another dev runs in {data_dir} (process {handle.read(20)}): stop it, or give this one another "
        "folder with POSTBACKS_DATA_DIR"
    )


def write(data_dir: Path, environ: Mapping[str, str]) -> None:
    """Tell other commands the variables of a `dev` that is ready; no value holds a line break or a `'`."""
    new = data_dir / f"{FILE}.new"
    new.write_text("".join(f"{name}='{value}'\n" for name, value in environ.items()), encoding="utf-8")
    new.replace(data_dir / FILE)


def remove(data_dir: Path) -> None:
    """Tell nothing more."""
    (data_dir / FILE).unlink(missing_ok=True)


def read(data_dir: Path) -> dict[str, str]:
    """The variables of a `dev`, also of one that is gone; empty when there is none.

    Raises as `read_dotenv`.
    """
    return read_dotenv(data_dir / FILE)


def is_held(data_dir: Path) -> bool:
    """Whether a `dev` lives in a data directory."""
    try:
        with (data_dir / _LOCK).open("r") as handle:
            flock(handle, LOCK_SH | LOCK_NB)
            flock(handle, LOCK_UN)
            return False
    except FileNotFoundError:
        return False
    except OSError:
        return True
