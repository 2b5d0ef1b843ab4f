"""The filter `e164`: a phone number as its digits with the calling code, by `phonenumbers`.

That library takes long to load and much memory, so only a template with the filter imports this module.
"""

from __future__ import annotations

import phonenumbers


def is_country(code: str) -> bool:
    """Whether a two-letter country code in upper case is one that phone numbers are known for."""
    return code in phonenumbers.SUPPORTED_REGIONS


def e164(text: str, country: str | None) -> str | None:
    """The digits of a possible number, calling code first, without `+`; None for an impossible one.

    A national number is read as of `country` (upper case); without one it is impossible.
    """
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
