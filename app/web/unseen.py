"""What cannot be seen made visible: control characters, and those that turn the reading direction. Pure.

A stranger's text may hold U+202E, which makes `gpj.exe` of `exe.jpg`, or a zero-width space that makes two
ids look alike. Each is shown by its number; line ends and tabs stay, they do no harm in a page.
"""

from __future__ import annotations

_STAY = frozenset("\n\t")


def visible(text: str) -> str:
    """The text with each character that is not printable as `⟨U+202E⟩`."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() or char in _STAY else f"⟨U+{ord(char):04X}⟩" for char in text])
