"""PHP's codes of a date, which Keitaro writes, as the codes of our `date` filter.

Source: the PHP manual, https://www.php.net/manual/en/datetime.format.php.
"""

from __future__ import annotations

_CODES = {
    "d": "%d", "D": "%a", "l": "%A", "m": "%m", "M": "%b", "F": "%B", "Y": "%Y", "o": "%Y", "y": "%y",
    "A": "%p", "h": "%I", "H": "%H", "i": "%M", "s": "%S", "U": "%s",
    "O": "%z", "P": "%:z", "T": "%Z", "c": "%Y-%m-%dT%H:%M:%S%:z",
}  # fmt: skip
_PHP = frozenset("dDjlNSwzWFmMntLoYyaABgGhHisuveIOPpTZcrU")


def our_date(form: str) -> tuple[str, list[str]]:
    """The format in our codes, and the codes of PHP that have no counterpart (they are left out)."""
    found: list[str] = []
    missing: list[str] = []
    chars = iter(form)
    for char in chars:
        if char == "\\":
            found.append(_literal(next(chars, "")))
        elif char in _CODES:
            found.append(_CODES[char])
        elif char in _PHP:
            missing.append(char)
        else:
            found.append(_literal(char))
    return "".join(found), list(dict.fromkeys(missing))


def _literal(char: str) -> str:
    return "%%" if char == "%" else char
