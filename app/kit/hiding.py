"""Find a value in a text in whatever way it is written there, and hide it.

Programs that say back what they were given write it in their own way: percent-encoded (also more than
once), in JSON, in HTML, in base64 or hexadecimal, also inside something longer. Each character is looked for
in every mix of the first three; of base64 the part that the value alone decides, wherever it begins, in both
alphabets.
"""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from functools import lru_cache

MASK = "•••"

_SHORTEST_CODED = 8  # bytes; what is shorter would be found in much that is not it
_SHORTEST_REST = 4
_LONGEST_WAY = 18  # characters that one may be written in: four bytes, each percent-encoded, with a rest
_cut_escape = re.compile(r"[\\%&].{0,11}\Z", re.DOTALL)  # what is left of an escape that was cut in two
_plain = re.compile(r"[0-9A-Za-z]+")  # what no program writes in another way
_NAMED = {"&": ("&amp;",), "<": ("&lt;",), ">": ("&gt;",), '"': ("&quot;",), "'": ("&apos;",), " ": ("+",)}
_BACKSLASH = r"(?:\\|%(?:25)*5[Cc])"
_SHORT_ESCAPES = {"\n": "n", "\r": "r", "\t": "t"}


@lru_cache(maxsize=256)
def to_hide(values: frozenset[str]) -> tuple[str, ...]:
    """What is to be hidden in a text, in this order, so that none of the values is in it in any form."""
    found = {form for value in values for form in _forms(value)}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def hide(text: str, forms: Iterable[str]) -> str:
    """The text with each of the forms as `•••`, in whatever way it is written."""
    for form in forms:
        run, written = _finder(form)
        if run in text:
            text = written.sub(MASK, text)
    return text


def hide_cut(text: str, forms: Sequence[str]) -> str:
    """The same for a text that was cut off: what may be the first half of one goes as well."""
    text = hide(text, forms)
    begins = [at for form in forms if (at := _cut_at(form, text)) is not None]
    return text[: min(begins)] + MASK if begins else text


def _forms(value: str) -> tuple[str, ...]:
    """The value as it is, and what is looked for where it stands in base64 or hexadecimal."""
    raw = value.encode("utf-8", "surrogatepass")
    if len(raw) < _SHORTEST_CODED:
        return (value,)
    coded = []
    for lead, first in ((0, 0), (1, 2), (2, 3)):  # bytes before it, and the first character without them
        whole = b"\0" * lead + raw
        end = len(whole) * 8 // 6
        coded += [encode(whole).decode()[first:end] for encode in (b64encode, urlsafe_b64encode)]
    return tuple(dict.fromkeys((value, *coded, raw.hex(), raw.hex().upper())))


def _cut_at(value: str, text: str) -> int | None:
    """Where the first half of a value begins with which a text ends, written in any of the ways."""
    for begin in range(max(0, len(text) - _LONGEST_WAY * len(value)), len(text) - _SHORTEST_REST + 1):
        at = begin
        for count, char in enumerate(value):
            if count >= _SHORTEST_REST and not _plain.match(char) and _cut_escape.match(text, at):
                return begin
            found = _char_finder(char).match(text, at)
            if found is None:
                break
            at = found.end()
            if at == len(text):
                return begin
    return None


@lru_cache(maxsize=1024)
def _char_finder(char: str) -> re.Pattern[str]:
    return re.compile(_ways(char))


@lru_cache(maxsize=4096)
def _finder(value: str) -> tuple[str, re.Pattern[str]]:
    """A value in every mix of the ways in which programs write it, and a part that all of them share."""
    run = max(_plain.findall(value), key=len, default="")
    return run, re.compile("".join(map(_ways, value)))


def _ways(char: str) -> str:
    """One character percent-encoded (also more than once), in JSON, in HTML, or as itself."""
    if char.isascii() and char.isalnum():
        return char
    in_link = "".join(f"%(?:25)*{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
    units = char.encode("utf-16-be", "surrogatepass")
    in_json = "".join(f"{_BACKSLASH}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    in_html = f"&#0*{ord(char)};|&#x0*{ord(char):x};"
    ways = [f"(?i:{in_link}|{in_json}|{in_html})", *map(re.escape, _NAMED.get(char, ()))]
    if char in _SHORT_ESCAPES:
        ways.append(_BACKSLASH + _SHORT_ESCAPES[char])
    either = f"(?:{'|'.join(ways)}|{re.escape(char)})"
    return f"{_BACKSLASH}?{either}" if char in '"/\\' else either
