"""Phone numbers and e-mail addresses found in a text and hidden. Pure.

Found are known ones, in each way in which programs write a value (`app.kit.hiding`), a number also with other
separators or without its country; whatever looks like an e-mail address; and the values of pairs and of JSON
members that are named after one of both. A digest of one is not: it names nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from app.kit.hiding import MASK, hide_cut, to_hide

_LEAST_DIGITS = 7
_MOST_DIGITS = 9  # of a number that is looked for: what stands before them may be written or not
_AT = r"(?:@|%(?:25)*40|\\u0040|&#64;|&#x40;)"
_email = re.compile(rf"[\w.+%-]+{_AT}[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_NAME = r"(?:tel|[^=&?#\s\"]*(?:phone|mobile|msisdn|e-?mail)[^=&?#\s\":]*)"
_pair = re.compile(rf"((?:^|[?&;\s]){_NAME}=)[^&#\s\"]+", re.IGNORECASE)
_member = re.compile(rf'("{_NAME}"\s*:\s*)(?:"[^"\\]*(?:\\.[^"\\]*)*"|[0-9]+)', re.IGNORECASE | re.DOTALL)
_BETWEEN = r"(?:[\s().\-/+]|%(?:25)*2[089def]|&nbsp;)*"


class Private:
    """Hides these phone numbers and e-mail addresses, however they are written, and what looks like one."""

    def __init__(self, values: Iterable[str]) -> None:
        told = {form for value in values for form in (value, value.strip(), value.strip().lower()) if form}
        self._forms = to_hide(frozenset(told))
        self._phones = [finder for value in told if (finder := _phone(_digits(value))) is not None]

    def text(self, text: str) -> str:
        """The text without any of it."""
        if not text:
            return text
        text = hide_cut(text, self._forms)
        for phone in self._phones:
            text = phone.sub(MASK, text)
        text = _email.sub(MASK, text)
        text = _pair.sub(lambda found: found[1] + MASK, text)
        return _member.sub(lambda found: f'{found[1]}"{MASK}"', text)


def _digits(text: str) -> str:
    return "" if "@" in text else "".join(re.findall(r"[0-9]", text))[-_MOST_DIGITS:]


@lru_cache(maxsize=1024)
def _phone(digits: str) -> re.Pattern[str] | None:
    if len(digits) < _LEAST_DIGITS:
        return None
    return re.compile(_BETWEEN.join(digits), re.IGNORECASE)
