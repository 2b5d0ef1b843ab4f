"""Secrets by name: from the environment, or from a folder with one file a secret.

`{secret.NAME}` is looked for as, in this order:
1. the environment's `POSTBACKS_SECRET_NAME`, then the same in upper case with `-` and `.` as `_`
   (`{secret.fb-main}` finds `POSTBACKS_SECRET_FB_MAIN`);
2. the file `NAME` in `POSTBACKS_SECRETS_DIR`, then the file of the upper-case name. Line ends at the end
   of the file are dropped. A changed file is read again at its next use, also behind the symbolic links
   that Kubernetes swaps.

A value that is empty, all white space or over 8 KiB is no value. Values are never part of a `repr`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from app.kit.oauth import is_credential

PREFIX = "POSTBACKS_SECRET_"
MAX_BYTES = 8 * 1024
_MOST_KNOWN = 1000

_Stamp = tuple[int, int, int]


def in_capitals(name: str) -> str:
    """A secret's name as people spell it in the environment."""
    return name.upper().replace("-", "_").replace(".", "_")


class Secrets:
    """Looks secrets up by name and remembers which values it has handed out."""

    def __init__(self, environ: Mapping[str, str], directory: Path | None = None) -> None:
        self._environ = {
            name: value for name, value in environ.items() if name.startswith(PREFIX) and _is_value(value)
        }
        self._directory = directory
        self._files: dict[str, tuple[_Stamp, str | None]] = {}
        self._handed_out: dict[str, None] = {}
        self._known: frozenset[str] = frozenset()

    def __call__(self, name: str) -> str | None:
        """The value of the secret `name`; None when it is not set, no value, or its file is not readable."""
        value = self._set(name) or self._set(in_capitals(name)) or self._kept(name)
        if value is not None and not is_credential(value):  # that is never sent, only its access tokens are
            self.note(value)
        return value

    def known(self) -> frozenset[str]:
        """The values handed out so far, the latest thousand, replaced ones too: no text may show them."""
        return self._known

    def note(self, value: str) -> None:
        """Hand a value out, or let one that was made of a secret be known as one."""
        is_new = value not in self._handed_out
        self._handed_out.pop(value, None)
        self._handed_out[value] = None  # the latest stands last
        if is_new:
            if len(self._handed_out) > _MOST_KNOWN:
                del self._handed_out[next(iter(self._handed_out))]
            self._known = frozenset(self._handed_out)

    def forget(self, value: str) -> None:
        """Let a value that is no longer good be looked for no more."""
        if self._handed_out.pop(value, value) is None:
            self._known = frozenset(self._handed_out)

    def __repr__(self) -> str:
        return f"Secrets({len(self._environ)} in the environment, folder {self._directory})"

    def _set(self, name: str) -> str | None:
        return self._environ.get(PREFIX + name)

    def _kept(self, name: str) -> str | None:
        contents = map(self._file, (name, in_capitals(name)))
        return next((content for content in contents if content is not None and _is_value(content)), None)

    def _file(self, name: str) -> str | None:
        # A leading dot is `..` or Kubernetes' own `..data`: never a secret.
        if self._directory is None or not name or name.startswith(".") or "/" in name or "\0" in name:
            return None
        path = self._directory / name
        try:
            found = os.stat(path)
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        held = self._files.get(name)
        if held is None or held[0] != stamp:
            held = (stamp, _read(path))
            self._files[name] = held
        return held[1]


def _is_value(text: str) -> bool:
    return len(text) <= MAX_BYTES and bool(text.strip())


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return content.decode().rstrip("\r\n") if len(content) <= MAX_BYTES else None
    except (OSError, ValueError):
        return None
