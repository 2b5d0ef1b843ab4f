"""Set a field of a preview's event by the name of a macro, or by its path in the event.

`click=c-1`, `name=Olha`, `utm_source=fb`, `price=12.5` and `meta.vip=true` are macros; `click.id`,
`customer.name`, `tags.utm_source`, `lead_id`, `occurred_at` are paths. Any other name is a tag.
"""

from __future__ import annotations

from typing import Any

import msgspec

from app.templates.names import CLICK, CUSTOMER, TABLE

_PLAIN = ("event_id", "lead_id", "flow_id", "status", "occurred_at", "goal", "currency", "reason", "uid")
_ALIASES = {"id": "lead_id", "flow": "flow_id", "stage": "status", "cash": "price", "time": "occurred_at"}
_GROUPS = {"click": "click", "customer": "customer", "tags": "tags", "tag": "tags", "meta": "meta"}


def assign(event: dict[str, Any], params: dict[str, Any], key: str, value: str) -> None:
    """Set what `key` names to `value`; the price, and a meta field, may be a number, `true` or `false`.

    Raises `ValueError` with the reason for what cannot be set.
    """
    key = _ALIASES.get(key, key)
    group, dot, name = key.partition(".")
    if dot and group in ("param", "params"):
        params[name] = value
    elif dot and group in _GROUPS:
        _group(event, _GROUPS[group])[name] = _scalar(value) if group == "meta" else value
    elif key == "price":
        event["price"] = _scalar(value)
    elif key in _PLAIN:
        event[key] = value
    elif key == "click":
        _group(event, "click")["id"] = value
    elif key in CLICK:
        _group(event, "click")[key] = value
    elif key in CUSTOMER:
        _group(event, "customer")[key] = value
    elif key in TABLE or not key:
        raise ValueError(f'--set cannot set "{key}"')
    else:
        _group(event, "tags")[key] = value


def _group(event: dict[str, Any], name: str) -> dict[str, Any]:
    group = event.setdefault(name, {})
    if not isinstance(group, dict):
        raise ValueError(f"--set cannot set a field of {name}: the event has no object there")
    return group


def _scalar(text: str) -> str | int | float | bool:
    try:
        return msgspec.json.decode(text, type=str | int | float | bool)
    except (msgspec.DecodeError, ValueError):
        return text
