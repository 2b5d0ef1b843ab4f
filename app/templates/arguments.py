"""The arguments of filters: what an escape means, and how they are split.

An argument is kept as it was written, because `\\` changes what splits: `\\,` and `\\=` split nothing, and
an escaped space is not trimmed from an item of `map`.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.templates.values import WHITE_SPACE

Marked = tuple[str, bool]
"""A character of an argument, and whether it was escaped."""


def marked(argument: str) -> list[Marked]:
    """The characters of an argument as written, each with whether a `\\` stood before it."""
    found: list[Marked] = []
    escaped = False
    for char in argument:
        if char == "\\" and not escaped:
            escaped = True
            continue
        found.append((char, escaped))
        escaped = False
    return found


def text_of_marked(chars: Sequence[Marked]) -> str:
    """The text of marked characters."""
    return "".join([char for char, _ in chars])


def plain(argument: str) -> str:
    """The text of an argument, its escapes resolved."""
    return text_of_marked(marked(argument)) if "\\" in argument else argument


def split(chars: Sequence[Marked], at: str, limit: int = -1) -> list[Sequence[Marked]]:
    """Split at each unescaped `at`, at most `limit` times unless it is negative."""
    parts: list[Sequence[Marked]] = []
    start = 0
    for index, char in enumerate(chars):
        if char == (at, False) and len(parts) != limit:
            parts.append(chars[start:index])
            start = index + 1
    parts.append(chars[start:])
    return parts


def fields(argument: str) -> list[str]:
    """The texts between the unescaped commas of an argument."""
    return [text_of_marked(part) for part in split(marked(argument), ",")]


def trimmed(chars: Sequence[Marked]) -> Sequence[Marked]:
    """Without the white space at both ends that was not escaped."""
    start, end = 0, len(chars)
    while start < end and not chars[start][1] and chars[start][0] in WHITE_SPACE:
        start += 1
    while start < end and not chars[end - 1][1] and chars[end - 1][0] in WHITE_SPACE:
        end -= 1
    return chars[start:end]
