"""A flow config as the fields of a form, and the config that the fields make. Pure.

Only what was edited is put into the config, all else stays as it was written, in its form and order; where
nothing was edited the config stays as it is, byte for byte. The short form stays short as long as it can hold
what is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from app.flows.written import EVENTS, short_id
from app.web.flows.fields import OF_FLOW, OF_POSTBACK, BadField, Field, Unfit, load, plain, put, shown


class Wrong(NamedTuple):
    """A field that cannot be read, and why."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Card:
    """A postback on the form. `key` begins the names of its fields: `p0.template`."""

    key: str
    id: str
    on: tuple[str, ...]
    fields: dict[str, str]

    @property
    def boxes(self) -> set[str]:
        """The events whose boxes are ticked."""
        return boxes_of(self.fields["on"])[0]


@dataclass(frozen=True, slots=True)
class Form:
    """A config as fields. `is_short` is whether it is written in the short form."""

    flow_id: str
    fields: dict[str, str]
    cards: list[Card]
    is_short: bool

    @property
    def texts(self) -> dict[str, str]:
        """Every field's text by its name."""
        of_cards = {f"{card.key}.{name}": text for card in self.cards for name, text in card.fields.items()}
        return {"flow_id": self.flow_id, **self.fields, **of_cards}


@dataclass
class Edited:
    """A config after an edit. `keys` names, for each of its postbacks, the card or field it comes from."""

    value: dict[str, Any]
    keys: list[str] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    is_changed: bool = False


def form_of(config: object) -> Form | None:
    """The form of a config's JSON value; None for one that fields cannot show."""
    try:
        if not isinstance(config, dict) or not isinstance(config.get("flow_id", ""), str):
            return None
        postbacks = config.get("postbacks", [])
        fields = {one.name: shown(one, config) for one in OF_FLOW}
        told = list(_told(postbacks))
        return Form(config.get("flow_id", ""), fields, _cards(told), isinstance(postbacks, dict))
    except Unfit:
        return None


def config_of(text: str) -> object:
    """The JSON value of a config's text; None for what is no JSON."""
    try:
        return load(text)
    except BadField:
        return None


def edited(config: dict[str, Any], given: Mapping[str, str]) -> Edited:
    """The config that the fields of its form make; `given` may lack fields, which then say what they did."""
    form = form_of(config)
    assert form is not None
    before = form.texts
    texts = {name: plain(text) for name, text in given.items()}
    changed = {name: text for name, text in texts.items() if text != plain(before.get(name, ""))}
    made = Edited(dict(config), [card.key for card in form.cards])
    if not {name for name in changed if name in before or name.startswith("add.")}:
        return made
    if "flow_id" in changed:
        made.value["flow_id"] = changed["flow_id"].strip()
    for one in OF_FLOW:
        if one.name in changed:
            made.value = _put(made, one, made.value, changed[one.name], one.name)
    made.value["postbacks"] = _postbacks(made, form, config.get("postbacks", []), changed)
    if not made.value["postbacks"] and "postbacks" not in config:
        del made.value["postbacks"]
    made.is_changed = made.value != config or bool(made.wrong)
    return made


def given_of(pairs: Iterable[tuple[str, str]], form: Form) -> dict[str, str]:
    """The fields as a browser sends them: the events of a postback come box by box, others as one text."""
    given: dict[str, str] = {}
    boxes: dict[str, list[str]] = {card.key: [] for card in form.cards}
    told: set[str] = set()
    for name, text in pairs:
        key, _, rest = name.partition(".")
        if key in boxes and rest == "event":
            boxes[key].append(text)
        elif key in boxes and rest == "events":
            boxes[key] += filter(None, (one.strip() for one in text.split(",")))
            told.add(key)
        else:
            given[name] = text
    for card in form.cards:
        if card.key in told:
            same = {_event(one) for one in card.on} == set(boxes[card.key])
            entries = card.on if same else dict.fromkeys(boxes[card.key])
            given[f"{card.key}.on"] = ", ".join(entries)
    return given


def boxes_of(on: str) -> tuple[set[str], str]:
    """The events whose boxes are ticked, and as a text the others: goals by their ids, and what is none."""
    entries = [_event(one) for one in on.split(", ") if one]
    return set(entries) & set(EVENTS), ", ".join(one for one in entries if one not in EVENTS)


def _event(entry: str) -> str:
    return "new" if entry == "wait" else entry


def _told(postbacks: Any) -> Iterator[dict[str, Any]]:
    """The postbacks in the long form. Raises `Unfit`."""
    if isinstance(postbacks, list):
        for one in postbacks:
            if not isinstance(one, dict):
                raise Unfit
            yield one
        return
    if not isinstance(postbacks, dict):
        raise Unfit
    for key, links in postbacks.items():
        if not links or not isinstance(links, str | list):
            raise Unfit
        for index, link in enumerate(links if isinstance(links, list) else [links]):
            if not isinstance(link, str) or not link:
                raise Unfit
            yield {"id": short_id(key, index), "on": [key], "template": link}


def _cards(told: list[dict[str, Any]]) -> list[Card]:
    cards = []
    for index, one in enumerate(told):
        fields = {field.name: shown(field, one) for field in OF_POSTBACK}
        name = fields["id"] or fields["name"]
        cards.append(Card(f"p{index}", name, tuple(fields["on"].split(", ") if fields["on"] else ()), fields))
    return cards


def _put(made: Edited, one: Field, told: dict[str, Any], text: str, name: str) -> dict[str, Any]:
    try:
        return put(one, told, text)
    except BadField as fault:
        made.wrong.append(Wrong(name, str(fault)))
        return told


def _postbacks(made: Edited, form: Form, postbacks: Any, changed: Mapping[str, str]) -> Any:
    if form.is_short and (short := _in_short(made, form, postbacks, changed)) is not None:
        return short
    found, keys = [], []
    for card, told in zip(form.cards, _told(postbacks), strict=True):
        if f"{card.key}.template" in changed and not changed[f"{card.key}.template"].strip():
            continue
        for one in OF_POSTBACK:
            name = f"{card.key}.{one.name}"
            if name in changed:
                told = _put(made, one, told, changed[name], name)
        found.append(told)
        keys.append(card.key)
    for event in EVENTS:
        if text := changed.get(f"add.{event}", "").strip():
            found.append({"id": _free(event, found), "on": [event], "template": text})
            keys.append(f"add.{event}")
    made.keys = keys
    return found


def _free(event: str, postbacks: list[dict[str, Any]]) -> str:
    taken = {one.get("id") for one in postbacks}
    return next(name for index in count() if (name := short_id(event, index)) not in taken)


def _in_short(made: Edited, form: Form, postbacks: dict[str, Any], changed: Mapping[str, str]) -> Any:
    """The postbacks in the short form; None when it cannot hold what is said, or would rename a postback."""
    names = {name.partition(".")[2] for name in changed if name.startswith("p") and "." in name}
    if names - {"template"}:
        return None
    found: dict[str, Any] = {}
    keys: dict[str, list[str]] = {}
    cards = iter(form.cards)
    for event, links in postbacks.items():
        kept: list[str] = []
        is_gone = False
        for link in links if isinstance(links, list) else [links]:
            card = next(cards)
            text = changed.get(f"{card.key}.template", link)
            if text != link and not text.strip():
                is_gone = True
                continue
            if is_gone:
                return None
            kept.append(text)
            keys.setdefault(event, []).append(card.key)
        if kept:
            found[event] = kept if isinstance(links, list) else kept[0]
    for event in EVENTS:
        if text := changed.get(f"add.{event}", "").strip():
            before = found.get(event)
            found[event] = (
                text if before is None else [*([before] if isinstance(before, str) else before), text]
            )
            keys.setdefault(event, []).append(f"add.{event}")
    made.keys = [key for event in found for key in keys[event]]
    return found
