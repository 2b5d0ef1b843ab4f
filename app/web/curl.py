"""A request as a curl command that a person may paste into a shell. Pure.

Whatever the request holds is one word each: nothing of it is run, expanded or read as an option. A text with
control characters is written in the shell's `$'…'`, since a raw escape or line end may be obeyed by the
terminal while it is pasted. What is masked is `SECRET`: curl is not told what the log does not know.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from app.kit.hiding import MASK

PLACEHOLDER = "SECRET"
_plain = re.compile(r"[\x20-\x7e]*")


def curl(method: str, url: str, headers: Mapping[str, str], body: str) -> str:
    """The command, a line for each part."""
    parts = [
        # --globoff: [] and {} are not patterns; --path-as-is: /../ stays
        f"curl --globoff --path-as-is --request {word(method)} --url {word(_open(url))}",
        *(f"--header {word(_header(name, _open(value)))}" for name, value in headers.items()),
    ]
    if body:
        parts.append(f"--data-raw {word(_open(body))}")  # -raw: a body that begins with @ is no file name
        if not any(name.lower() == "content-type" for name in headers):
            parts.append("--header Content-Type:")  # else curl adds a form's
    return " \\\n  ".join(parts)


def word(text: str) -> str:
    """One word of a shell, whatever the text holds; U+0000 is in no argument of a program."""
    text = text.replace("\0", "")
    if _plain.fullmatch(text) or text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(char: str) -> str:
    if char in "'\\":
        return "\\" + char
    if char.isprintable():
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogatepass"))


def _header(name: str, value: str) -> str:
    """curl takes `Name:` for one to leave out, and `Name;` for one without a value."""
    return f"{name}: {value}" if value else f"{name};"


def _open(text: str) -> str:
    return text.replace(MASK, PLACEHOLDER)
