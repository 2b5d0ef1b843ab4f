"""Flow configs: which events fire which postbacks, read from the value of a record or a file.

Both forms are read, the list of postbacks and the short one that people paste
(`"postbacks": {"new": "https://…", "approve": ["https://…", "https://…|JSON|{…}"]}`), and become the same
`Flow`. Every key is checked: what cannot work is refused with its place and why, and so is what nothing
obeys yet, because a key that is silently ignored sends the wrong thing. Templates are compiled here, once
for each version of a config.
"""

from __future__ import annotations

from typing import Any, cast

from app.flows import fault as read
from app.flows.compare import scalar
from app.flows.delivery import Delivery
from app.flows.fault import FlowFault, Members, refuse, within
from app.flows.flow import Flow, Postback
from app.flows.postback import compiled, is_macro_name, read_event, read_postback, tokens_of
from app.flows.verdict import Verdict
from app.flows.written import EVENTS, MAX_POSTBACKS, FlowConfig, short_id
from app.leads.events import Scalar
from app.leads.plain import NotPlain, kind, read_plain, shown

__all__ = ["EVENTS", "Flow", "FlowFault", "Postback", "Verdict", "parse", "parse_record"]

MAX_BYTES = 1024 * 1024
_FLOW_KEYS = FlowConfig.__struct_encode_fields__


def parse(value: bytes, *, version: int = -1) -> Flow:
    """The flow that a config describes, its templates compiled.

    Raises `FlowFault` with the place and the reason of the first thing that cannot work.
    """
    told = read.members(read_json(value), "", _FLOW_KEYS)
    flow_id = read.name(read.needed(told, "flow_id", ""), "flow_id")
    return Flow(
        flow_id=flow_id,
        name=read.name(told["name"], "name") if read.is_told(told, "name") else flow_id,
        postbacks=_postbacks(told.get("postbacks", []), "postbacks"),
        enabled=read.flag(told.get("enabled", True), "enabled"),
        params=_params(told.get("params", {}), "params"),
        log_skips=cast(Any, read.choice(told.get("log_skips", "fired"), "log_skips", ("fired", "all"))),
        version=version,
    )


def parse_record(key: str, value: bytes, *, version: int = -1) -> Flow:
    """The flow of a record of `flow-configs`, whose key is its id. Raises `FlowFault`."""
    flow = parse(value, version=version)
    if flow.flow_id != key:
        raise FlowFault("flow_id", f"is {flow.flow_id!r}, its record's key is {key!r}")
    return flow


def read_json(value: bytes) -> object:
    """A config's plain JSON value, its objects as `Members`. Raises `FlowFault` when it is no JSON."""
    if len(value) > MAX_BYTES:
        refuse("", f"{len(value)} bytes, over the limit of {MAX_BYTES}")
    try:
        return read_plain(value, Members.of_pairs)
    except NotPlain as fault:
        return refuse("", str(fault))


def _params(value: object, place: str) -> dict[str, Scalar]:
    params = {}
    for key, told in read.members(value, place).items():
        if not is_macro_name(key):
            refuse(within(place, key), "a parameter is named with A-Z a-z 0-9 . _ - as in {param.NAME}")
        params[key] = scalar(told, within(place, key))
    return params


def _postbacks(value: object, place: str) -> tuple[Postback, ...]:
    if isinstance(value, dict):
        postbacks = _short_form(value, place)
    elif isinstance(value, list):
        postbacks = [read_postback(told, f"{place}[{index}]") for index, told in enumerate(value)]
    else:
        refuse(place, f"expected a list of postbacks or an object of links, got {kind(value)}")
    if len(postbacks) > MAX_POSTBACKS:
        refuse(place, f"{len(postbacks)} postbacks, over the limit of {MAX_POSTBACKS}")
    at: dict[str, int] = {}
    for index, postback in enumerate(postbacks):
        if (first := at.setdefault(postback.id, index)) != index:
            refuse(f"{place}[{index}].id", f"{shown(postback.id)} is the id of postbacks[{first}] too")
    return tuple(postbacks)


def _short_form(value: object, place: str) -> list[Postback]:
    """`{event: link}` or `{event: [link, link]}`: the event is both the id and what the postback is on."""
    postbacks = []
    for key, told in read.members(value, place).items():
        links = read.items(told, within(place, key)) if isinstance(told, list) else [told]
        for index, link in enumerate(links):
            where = f"{within(place, key)}[{index}]" if isinstance(told, list) else within(place, key)
            link_text = read.text(link, where)
            event = read_event(key, within(place, key))
            postbacks.append(
                Postback(
                    id=read.name(short_id(key, index), within(place, key)),
                    on=(event,),
                    template=link_text,
                    program=compiled(link_text, {}, False, where, ""),
                    delivery=Delivery(tokens=tokens_of(link_text)),
                )
            )
    return postbacks
