"""One line of help for each macro and filter, for the editor's completion and `preview --help`."""

from __future__ import annotations

from typing import NamedTuple

from app.templates.names import STATISTICS_TAGS, TABLE


class Help(NamedTuple):
    """What is written, and what it does."""

    write: str
    says: str


_MACROS = {
    "id": "lead id",
    "click": "click id",
    "flow": "flow id",
    "status": "the lead’s status: new, hold, approve, cancel or trash",
    "stage": "the same as status",
    "event": "what this postback reacted to",
    "goal": "the goal that was reached",
    "uid": "id of the person at the producer",
    "reason": "why the lead was cancelled or trashed",
    "price": "the lead’s price",
    "cash": "the same as price",
    "currency": "currency of the price",
    "name": "the person’s name",
    "phone": "the person’s phone number",
    "email": "the person’s e-mail address",
    "comment": "the person’s comment",
    "ip": "the visitor’s IP address",
    "ua": "the visitor’s user agent",
    "geo": "the visitor’s country, two letters",
    "lang": "the visitor’s language",
    "referer": "the page that the visitor came from",
    "url": "the page that the visitor left the lead on",
    "now": "time of rendering, Unix seconds; {now|ms}, {now|iso}, {now|date:%Y-%m-%d}",
    "time": "time of the lead event, Unix seconds, with the same filters",
    "event_id": "id of the lead event: the same when it is sent again",
    "postback": "id of this postback",
    "request": "id of this request: the same when it is sent again",
    "random": "16 random hex digits for each request",
}
_TAGS = {
    "adid": "ad id",
    "fbclid": "Facebook’s click id, from the link",
    "fbc": "Facebook’s click cookie",
    "fbp": "Facebook’s browser cookie",
    "gclid": "Google’s click id",
    "gbraid": "Google’s click id of an app campaign",
    "wbraid": "Google’s click id of a web campaign",
    "ttclid": "TikTok’s click id",
    "yclid": "Yandex’s click id",
    "msclkid": "Microsoft’s click id",
}
_PREFIXES = {
    "tag.": "any tag of the lead by its name: {tag.source}",
    "meta.": "a field of the event’s meta: {meta.age}",
    "param.": "a parameter of this flow: {param.pixel}",
    "secret.": "a secret by its name, filled in when it is sent: {secret.fb}",
}

FILTERS = (
    Help("append:x", "text with x after it"),
    Help("base64", "Base64 of the text"),
    Help("date:%Y-%m-%d,Europe/Kyiv", "a time in this format; the zone may be left out: UTC"),
    Help("default:x", "x when there is no value"),
    Help("digits", "only its digits"),
    Help("e164:CC", "a phone number with its calling code, without +; CC is the country of national numbers"),
    Help("gmail", "a gmail.com address without dots and +tag before the @, as Google hashes it"),
    Help("hmac:NAME", "HMAC-SHA-256 with the secret NAME, hex; hmac:NAME,base64"),
    Help("iso", "a time as 2026-11-23T15:00:00Z"),
    Help("json", "a JSON string with its quotes, for JSON inside text"),
    Help("lower", "lower case"),
    Help("map:approve=sale,*=other", "one text for another; * is any other"),
    Help("md5", "MD5, hex"),
    Help("ms", "a time as Unix milliseconds"),
    Help("mul:0.01", "a number times this one"),
    Help("number", "a number, or nothing if it is none"),
    Help("prehashed", "a SHA-256 already (64 hex digits) goes out as it is, past the filters that follow"),
    Help("prepend:x", "text with x before it"),
    Help("round:2", "a number with so many decimals"),
    Help("sha256", "SHA-256, hex"),
    Help("substr:0,64", "so many characters (64) from a place (0 is the first)"),
    Help("trim", "without white space at its ends"),
    Help("upper", "upper case"),
    Help("urlencode", "percent-encoded once more, for a link inside a link"),
)
"""Each filter with an example of its argument."""

MACROS = (
    *(Help(name, _MACROS[name]) for name in TABLE),
    *(Help(name, f"tag {name}, one of the six that statistics are made by") for name in STATISTICS_TAGS),
    *(Help(name, says) for name, says in _TAGS.items()),
)
"""Each known macro but `sub1` … `sub30`, without its braces."""
PREFIXES = tuple(Help(name, says) for name, says in _PREFIXES.items())
"""What a macro of a name that is free begins with."""
