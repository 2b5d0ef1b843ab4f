"""The `.env` file: `NAME=value` lines, of which the environment overrides each.

`#` begins a comment, on a line of its own or behind white space; `export` before a name is skipped; a
value within quotes is what is between them, as it stands.
"""

from __future__ import annotations

from pathlib import Path


def read_dotenv(path: Path) -> dict[str, str]:
    """The values of a file by their names; none when there is no such file.

    Raises `OSError` when it cannot be read, `UnicodeDecodeError` when it is not UTF-8.
    """
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> str:
    if text[:1] in ("'", '"') and (end := text.find(text[0], 1)) > 0:
        return text[1:end]
    comment = min((at for at in (text.find(" #"), text.find("\t#")) if at >= 0), default=len(text))
    return "" if text.startswith("#") else text[:comment].strip()
