"""Find the event in a line of `preview --jsonl` whose text is no sound JSON, or is too deep to be read."""

from __future__ import annotations

_WHITE = b" \t\r\n"
_QUOTE, _ESCAPE, _COLON, _COMMA = b'"\\:,'
_OPENING, _CLOSING = b"{[", b"}]"


def event_span(line: bytes) -> tuple[int, int] | None:
    """Where the value of the line's own `event` begins and ends; None when it has none that can be told.

    Of several the last is meant, as JSON readers take it.
    """
    found: tuple[int, int] | None = None
    depth = at = item = 0
    while at < len(line):
        byte = line[at]
        if byte == _QUOTE:
            at = _end_of_string(line, at)
            continue
        closes = byte in _CLOSING
        depth += (byte in _OPENING) - closes
        if (closes and depth == 0) or (byte == _COMMA and depth == 1):
            found = _event(line, item, at) or found
            item = at + 1
        elif depth == 1 and byte in _OPENING:
            item = at + 1
        at += 1
    return found if depth == 0 else None


def _event(line: bytes, start: int, end: int) -> tuple[int, int] | None:
    key, colon, _ = line[start:end].partition(b":")
    if not colon or key.strip(_WHITE) != b'"event"':
        return None
    value = start + len(key) + 1
    return value, end


def _end_of_string(line: bytes, at: int) -> int:
    at += 1
    while at < len(line) and line[at] != _QUOTE:
        at += 2 if line[at] == _ESCAPE else 1
    return at + 1
