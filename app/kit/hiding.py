"""Find a value in a text in whatever way it is written there, and hide it.

Programs that say back what they were given write it in their own way: percent-encoded (also more than
once), in JSON, in HTML, in base64 or hexadecimal, also inside something longer. Each character is looked for
in every mix of the first three; of base64 the part that the value alone decides, wherever it begins, in both
alphabets. A long value is looked for in pieces, so that half of one is found too, and soon.
"""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import re2

MASK = "•••"

_SHORTEST_CODED = 8  # bytes; what is shorter would be found in much that is not it
_SHORTEST_REST = 4
_FEW_RUNS = 32  # beyond, one automaton looks for all of them faster than each is looked for
_LONGEST_PIECE = 64  # characters
_ENOUGH = 8  # characters of a run; with whole ones re2 runs out of memory at a hundred values, and is slow
_plenty = re2.Options()
_plenty.max_mem = 64 * 1024 * 1024
_LONGEST_WAY = 18  # characters that one may be written in: four bytes, each percent-encoded, with a rest
_cut_escape = re.compile(r"[\\%&].{0,11}\Z", re.DOTALL)  # what is left of an escape that was cut in two
_plain = re.compile(r"[0-9A-Za-z]+")  # what no program writes in another way
_NAMED = {"&": ("&amp;",), "<": ("&lt;",), ">": ("&gt;",), '"': ("&quot;",), "'": ("&apos;",), " ": ("+",)}
_BACKSLASH = r"(?:\\|%(?:25)*5[Cc])"
_SHORT_ESCAPES = {"\n": "n", "\r": "r", "\t": "t"}


@lru_cache(maxsize=1024)
def to_hide(values: frozenset[str]) -> tuple[str, ...]:
    """What is to be hidden in a text so that none of the values is in it in any form."""
    return tuple(sorted({form for value in values for form in _forms(value)}))


def hide(text: str, forms: Iterable[str]) -> str:
    """The text with each of the forms as `•••`, in whatever way it is written."""
    shown: list[str] = []
    at = 0
    for start, end in sorted(_spans(text, forms)):
        if start > at or not shown:
            shown += [text[at:start], MASK]
        at = max(at, end)
    return "".join([*shown, text[at:]])


@lru_cache(maxsize=1024)
def looks_for(values: frozenset[str]) -> Callable[[str], bool]:
    """What says of a text whether any of the values may be in it in any form: if not, it is not."""
    runs = frozenset(_finder(form)[0] for form in to_hide(values))
    if "" in runs:
        return bool
    if len(runs) <= _FEW_RUNS:
        return lambda text: any(map(text.__contains__, runs))
    written = re2.compile("|".join({run[:_ENOUGH] for run in runs}), _plenty)
    return lambda text: written.search(text.encode("utf-8", "surrogatepass")) is not None


def _spans(text: str, forms: Iterable[str]) -> Iterator[tuple[int, int]]:
    for form in forms:
        run, written = _finder(form)
        if run in text:
            for found in written.finditer(text):
                yield found.span()


def hide_cut(text: str, forms: Sequence[str]) -> str:
    """The same for a text that was cut off: what may be the first half of one goes as well."""
    text = hide(text, forms)
    begins = [at for form in forms if (at := _cut_at(form, text)) is not None]
    return text[: min(begins)] + MASK if begins else text


@lru_cache(maxsize=4096)
def _forms(value: str) -> tuple[str, ...]:
    """The value as it is, and what is looked for where it stands in base64 or hexadecimal; in pieces."""
    raw = value.encode("utf-8", "surrogatepass")
    found = [value]
    if len(raw) >= _SHORTEST_CODED:
        for lead, first in ((0, 0), (1, 2), (2, 3)):  # bytes before it, and the first character without them
            whole = b"\0" * lead + raw
            end = len(whole) * 8 // 6
            found += [encode(whole).decode()[first:end] for encode in (b64encode, urlsafe_b64encode)]
        found += [raw.hex(), raw.hex().upper()]
    return tuple(dict.fromkeys(piece for form in found for piece in _pieces(form)))


def _pieces(form: str) -> list[str]:
    count = -(-len(form) // _LONGEST_PIECE)
    size = -(-len(form) // max(count, 1))
    return [form[at : at + size] for at in range(0, len(form), size)]


def _cut_at(form: str, text: str) -> int | None:
    """Where the first half of a form begins with which a text ends, written in any of the ways."""
    first = _char_finder(form[0])
    last = len(text) - _SHORTEST_REST
    begin = max(0, len(text) - _LONGEST_WAY * len(form))
    while begin <= last and (found := first.search(text, begin)) is not None:
        begin = found.start()
        if begin <= last and _is_cut(form, text, begin):
            return begin
        begin += 1
    return None


def _is_cut(form: str, text: str, at: int) -> bool:
    for count, char in enumerate(form):
        if count >= _SHORTEST_REST and not _plain.match(char) and _cut_escape.match(text, at):
            return True
        found = _char_finder(char).match(text, at)
        if found is None:
            return False
        at = found.end()
        if at == len(text):
            return True
    return False


@lru_cache(maxsize=1024)
def _char_finder(char: str) -> re.Pattern[str]:
    return re.compile(_ways(char))


@lru_cache(maxsize=2**15)
def _finder(form: str) -> tuple[str, re.Pattern[str]]:
    """A part of a form that all ways of writing it share, and what finds them."""
    run = max(_plain.findall(form), key=len, default="")
    return run, re.compile("".join(map(_ways, form)))


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
