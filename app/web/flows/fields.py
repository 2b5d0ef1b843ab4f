"""The fields of the flow editor: how each key of a config is shown as text, and read back. Pure.

A kind of field shows what it can show and nothing else: a value of another shape makes the config one for
the JSON tab alone. What is read is checked by `app.flows.config.parse`, which knows what may stand where; a
number that is none stays text, so that it is refused there with its place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple


class Unfit(Exception):
    """A value that no field can show."""


class BadField(Exception):
    """A field's text that cannot be read; the text says why."""


class Kind(NamedTuple):
    """How a kind of field shows a value (raises `Unfit`) and reads its text (raises `BadField`)."""

    show: Callable[[Any], str]
    read: Callable[[str], Any]


class Field(NamedTuple):
    """A field: its name, the key or the path of two keys that it shows, its kind."""

    name: str
    path: tuple[str, ...]
    kind: Kind


def plain(text: str) -> str:
    """A text as a browser sends it back: one kind of line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def dump(value: Any) -> str:
    """A value as JSON in one line."""
    return json.dumps(value, ensure_ascii=False)


def load(text: str) -> Any:
    """JSON of a field. Raises `BadField`, also for a key that stands twice."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            raise BadField(f"the key {next(key for key in keys if keys.count(key) > 1)} stands twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=members)
    except json.JSONDecodeError as fault:
        raise BadField(f"not JSON: {fault.msg} in line {fault.lineno}, column {fault.colno}") from None
    except (ValueError, RecursionError):
        raise BadField("not JSON that can be read: a number or a depth beyond any bound") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _sound(text: str) -> str:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise Unfit
    return text


def _line(text: Any) -> str:
    """A text that an input of one line keeps."""
    if not isinstance(text, str) or "\n" in plain(text) or not text:
        raise Unfit
    return _sound(text)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Unfit
    return _sound(value)


def _number(value: Any) -> str:
    if not _is_number(value):
        raise Unfit
    return dump(value)


def _read_number(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if _is_number(found) else text


def _flag(value: Any) -> str:
    if not isinstance(value, bool):
        raise Unfit
    return "yes" if value else "no"


def _read_flag(text: str) -> Any:
    return {"yes": True, "no": False}.get(text, text)


def _names(value: Any) -> str:
    if not isinstance(value, list) or not value:
        raise Unfit
    if any(_line(one) != one.strip() or "," in one for one in value):
        raise Unfit
    return ", ".join(value)


def _read_names(text: str) -> list[str]:
    return [name for one in text.replace("\n", ",").split(",") if (name := one.strip())]


def _numbers(value: Any) -> str:
    if not isinstance(value, list) or not value:
        raise Unfit
    return ", ".join(map(_number, value))


def _read_numbers(text: str) -> list[Any]:
    return [_read_number(one) for one in _read_names(text)]


def _headers(value: Any) -> str:
    if not isinstance(value, dict) or not value:
        raise Unfit
    for name, text in value.items():
        if ":" in _line(name) or name != name.strip():
            raise Unfit
        if text and _line(text) != text.strip():
            raise Unfit
    return "\n".join(f"{name}: {text}".rstrip() for name, text in value.items())


def _read_headers(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not name.strip():
            raise BadField(f"a header a line, as in X-Source: postbacks; this is none: {line.strip()}")
        if name.strip() in found:
            raise BadField(f"the header {name.strip()} stands twice")
        found[name.strip()] = value.strip()
    return found


def _params(value: Any) -> str:
    """A parameter a line. A number is shown as one, and stays one unless it is edited."""
    if not isinstance(value, dict) or not value:
        raise Unfit
    lines = []
    for name, one in value.items():
        if "=" in _line(name) or name != name.strip():
            raise Unfit
        if isinstance(one, dict | list) or (isinstance(one, str) and one and _line(one) != one.strip()):
            raise Unfit
        lines.append(f"{name} = {one if isinstance(one, str) else dump(one)}".rstrip())
    return "\n".join(lines)


def _read_params(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in text.split("\n"):
        name, sign, value = line.partition("=")
        if not line.strip():
            continue
        if not sign or not name.strip():
            raise BadField(f"a parameter a line, as in pixel = 123; this is none: {line.strip()}")
        if name.strip() in found:
            raise BadField(f"the parameter {name.strip()} stands twice")
        found[name.strip()] = value.strip()
    return found


def _json(value: Any) -> str:
    if not isinstance(value, dict | list) or not value:
        raise Unfit
    return _sound(dump(value))


TEXT = Kind(_text, str)
LINE = Kind(_line, str.strip)
NUMBER = Kind(_number, _read_number)
FLAG = Kind(_flag, _read_flag)
NAMES = Kind(_names, _read_names)
NUMBERS = Kind(_numbers, _read_numbers)
HEADERS = Kind(_headers, _read_headers)
PARAMS = Kind(_params, _read_params)
JSON = Kind(_json, load)

OF_FLOW = (
    Field("name", ("name",), LINE),
    Field("enabled", ("enabled",), FLAG),
    Field("params", ("params",), PARAMS),
    Field("log_skips", ("log_skips",), LINE),
)
OF_POSTBACK = (
    Field("template", ("template",), TEXT),
    Field("id", ("id",), LINE),
    Field("name", ("name",), LINE),
    Field("on", ("on",), NAMES),
    Field("enabled", ("enabled",), FLAG),
    Field("when", ("when",), JSON),
    Field("require", ("require",), NAMES),
    Field("repeat", ("repeat",), LINE),
    Field("headers", ("headers",), HEADERS),
    Field("omit_empty", ("omit_empty",), FLAG),
    Field("mask", ("mask",), FLAG),
    Field("delay_s", ("delay_s",), NUMBER),
    Field("timeout_s", ("timeout_s",), NUMBER),
    Field("max_attempts", ("retry", "max_attempts"), NUMBER),
    Field("deadline_s", ("retry", "deadline_s"), NUMBER),
    Field("waits_s", ("retry", "waits_s"), NUMBERS),
    Field("on_newer", ("on_newer",), LINE),
    Field("verdict", ("verdict",), JSON),
    Field("rate_limit_per_s", ("rate_limit_per_s",), NUMBER),
    Field("idempotency_header", ("idempotency_header",), LINE),
    Field("sign_with", ("sign_with",), LINE),
)


def shown(field: Field, told: dict[str, Any]) -> str:
    """The text of a field; "" for a key that is not told, or is null or empty. Raises `Unfit`."""
    value: Any = told
    for key in field.path:
        if not isinstance(value, dict):
            raise Unfit
        value = value.get(key)
        if value is None or (not value and isinstance(value, str | dict | list)):
            return ""
    return field.kind.show(value)


def put(field: Field, told: dict[str, Any], text: str) -> dict[str, Any]:
    """The same with what a field's text says; an empty one takes the key out. Raises `BadField`."""
    *outer, key = field.path
    holder = dict(told.get(outer[0]) or {}) if outer else dict(told)
    if text.strip():
        holder[key] = _kept(field, holder.get(key), text)
    else:
        holder.pop(key, None)
    if not outer:
        return holder
    made = {**told, outer[0]: holder}
    if not holder:
        del made[outer[0]]
    return made


def _kept(field: Field, before: Any, text: str) -> Any:
    found = field.kind.read(text)
    if field.kind is PARAMS and isinstance(before, dict):
        return {name: _same(before.get(name), value) for name, value in found.items()}
    return found


def _same(before: Any, text: str) -> Any:
    """A parameter that still reads as it did stays what it was."""
    is_other = before is not None and not isinstance(before, str | dict | list)
    return before if is_other and dump(before) == text else text
