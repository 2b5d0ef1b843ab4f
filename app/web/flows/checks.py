"""What is to be said of a flow while it is edited: what is wrong, what is doubtful, what it would send. Pure.

Each postback is looked at by itself, so that a fault in one hides neither the faults nor the previews of the
others; what concerns them together (an id that stands twice) comes after.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.flows.config import parse
from app.flows.decide import Skip, decide
from app.flows.fault import FlowFault
from app.flows.flow import Flow
from app.flows.lint import lint
from app.flows.lint_lead import lint_for_lead
from app.flows.written import short_id
from app.kit.clock import day_of
from app.kit.hiding import MASK
from app.kit.signing import HEADERS as SIGNING
from app.presets.catalogue import suggested
from app.presets.expiry import lint as lint_at
from app.presets.preset import Preset
from app.templates.encode import percent
from app.templates.fault import TemplateFault
from app.templates.segments import Segment, Segmented
from app.web.flows.form import Edited
from app.web.flows.sample import Sample, facts_for

_MASKED = percent(MASK)
_FIELDS = {"retry": ("max_attempts", "deadline_s", "waits_s")}
_place = re.compile(r"postbacks(?:\[(\d+)\]|\.([^\[]+)(?:\[(\d+)\])?)(?:\.(.*))?")
Secret = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Note:
    """A fault or a doubt: the name of the field that it is about, its place in the config, what it says."""

    kind: Literal["fault", "warning"]
    field: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a postback would send; `request` is None where it cannot be rendered, `unsent` why it is not.

    `presets` are those of its receiver, offered to a postback that does not say what answers mean.
    """

    key: str
    id: str
    on: tuple[str, ...]
    event: str = ""
    request: Segmented | None = None
    unsent: str = ""
    presets: tuple[Preset, ...] = ()


@dataclass
class Checks:
    """All that is to be said. `flow` is None for a config that cannot work."""

    notes: list[Note] = field(default_factory=list)
    previews: list[Preview] = field(default_factory=list)
    flow: Flow | None = None

    @property
    def faults(self) -> list[Note]:
        """What keeps it from being saved."""
        return [note for note in self.notes if note.kind == "fault"]

    @property
    def warnings(self) -> list[Note]:
        """What is doubtful."""
        return [note for note in self.notes if note.kind == "warning"]


def check(made: Edited, secret: Secret, sample: Sample, now_ms: int) -> Checks:
    """The checks of a config that a form made."""
    checks = Checks([Note("fault", wrong.field, "", wrong.reason) for wrong in made.wrong])
    looking = _Looking(made.value, secret, sample, now_ms, checks)
    for index, (told, place) in enumerate(_each(made.value.get("postbacks", []))):
        key = made.keys[index] if index < len(made.keys) else f"p{index}"
        _look_at_one(looking, told, place, key)
    _look_at_all(checks, made, secret)
    return checks


def check_text(text: str, secret: Secret, sample: Sample, now_ms: int) -> Checks:
    """The checks of a config as text, which may be anything."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        checks = check(Edited(value), secret, sample, now_ms)
        if checks.faults:
            return checks
    else:
        checks = Checks()
    try:
        checks.flow = parse(text.encode("utf-8", "surrogatepass"))
    except FlowFault as fault:
        checks.flow = None
        checks.notes.insert(0, Note("fault", "config", fault.place, fault.reason))
    return checks


def _each(postbacks: Any) -> list[tuple[Any, str]]:
    """Each postback in the long form, and its place in the config."""
    if isinstance(postbacks, list):
        return [(told, f"postbacks[{index}]") for index, told in enumerate(postbacks)]
    found: list[tuple[Any, str]] = []
    for event, links in postbacks.items() if isinstance(postbacks, dict) else ():
        for index, link in enumerate(links if isinstance(links, list) else [links]):
            place = f"postbacks.{event}[{index}]" if isinstance(links, list) else f"postbacks.{event}"
            found.append(({"id": short_id(event, index), "on": [event], "template": link}, place))
    return found


@dataclass(frozen=True, slots=True)
class _Looking:
    """What one look at a config has to go by, and what it found."""

    config: dict[str, Any]
    secret: Secret
    sample: Sample
    now_ms: int
    checks: Checks


def _look_at_one(looking: _Looking, told: Any, place: str, key: str) -> None:
    config, checks = looking.config, looking.checks
    alone = {"flow_id": "f", "params": config.get("params", {}), "postbacks": [told]}
    text = _encoded(alone)
    named = told if isinstance(told, dict) else {}
    try:
        flow = parse(text)
    except FlowFault as fault:
        if fault.place.startswith("postbacks"):
            checks.notes.append(_note("fault", key, place, fault.place, fault.reason))
        entries = named.get("on")
        on = tuple(one for one in (entries if isinstance(entries, list) else ()) if isinstance(one, str))
        checks.previews.append(Preview(key, str(named.get("id") or named.get("name") or ""), on))
        return
    today = day_of(looking.now_ms)
    for warning in lint_at(text, looking.secret, today):
        if warning.place.startswith("postbacks["):
            checks.notes.append(_note("warning", key, place, warning.place, warning.text))
    flow_id = config.get("flow_id")
    is_enabled = config.get("enabled") is not False
    named_flow = Flow(
        flow_id if isinstance(flow_id, str) and flow_id else "F-1",
        "",
        flow.postbacks,
        is_enabled,
        params=flow.params,
    )
    checks.previews.append(_preview(looking, named_flow, key, place))


def _preview(looking: _Looking, flow: Flow, key: str, place: str) -> Preview:
    [postback], sample = flow.postbacks, looking.sample
    change, facts = facts_for(sample, postback, flow, looking.secret, looking.now_ms)
    event, identity = facts.event or "", facts.request or ""
    if sample.is_real:
        looking.checks.notes += [
            _note("warning", key, place, "postbacks[0].template", text)
            for text in lint_for_lead(postback, facts)
        ]
    try:
        request = _plain_secrets(postback.program.segments(facts))
    except TemplateFault as fault:
        text = f"for this lead: {fault.reason}"
        looking.checks.notes.append(_note("warning", key, place, "postbacks[0].template", text))
        return Preview(key, postback.id, postback.on, event)
    delivery = postback.delivery
    headers = dict(request.headers)
    if delivery.idempotency_header is not None:
        headers[delivery.idempotency_header] = [Segment(identity, "{request}")]
    if delivery.sign_with is not None:
        headers |= {name: [Segment(MASK, f"{{secret.{delivery.sign_with}}}")] for name in SIGNING}
    skips = [one for one in decide(change, {flow.flow_id: flow}.get) if isinstance(one, Skip)]
    unsent = skips[0].reason if skips else ""
    made = Segmented(request.method, request.link, headers, request.body, request.missing)
    offered = () if delivery.verdict else suggested(postback.program.host)
    return Preview(key, postback.id, postback.on, event, made, unsent, offered)


def _plain_secrets(request: Segmented) -> Segmented:
    """A secret as `•••`, also where it would be percent-encoded."""

    def seen(segments: Sequence[Segment]) -> list[Segment]:
        return [Segment(one.text.replace(_MASKED, MASK), one.macro, one.missing) for one in segments]

    return Segmented(
        request.method,
        seen(request.link),
        {name: seen(value) for name, value in request.headers.items()},
        None if request.body is None else seen(request.body),
        request.missing,
    )


def _look_at_all(checks: Checks, made: Edited, secret: Secret) -> None:
    """What concerns the flow as a whole; its one fault, unless it was told already."""
    text = _encoded(made.value)
    try:
        checks.flow = parse(text) if not made.wrong else None
    except FlowFault as fault:
        note = _whole(made, fault)
        if not any(one.field == note.field or one.text == note.text for one in checks.faults):
            checks.notes.append(note)
        return
    if checks.flow is not None:
        said = {one.text for one in checks.notes}
        for warning in lint(text, secret):
            if warning.place == "postbacks" and warning.text not in said:
                checks.notes.append(Note("warning", "", warning.place, warning.text))


def _whole(made: Edited, fault: FlowFault) -> Note:
    found = _place.fullmatch(fault.place)
    if found is None:
        return Note("fault", fault.place.partition(".")[0], fault.place, fault.reason)
    index = int(found[1]) if found[1] else -1
    key = made.keys[index] if 0 <= index < len(made.keys) else ""
    return _note("fault", key, fault.place.partition(".")[0], f"postbacks[0].{found[4] or ''}", fault.reason)


def _note(kind: Literal["fault", "warning"], key: str, place: str, alone: str, text: str) -> Note:
    """A note about a postback that was looked at alone."""
    rest = alone.removeprefix("postbacks[0]").removeprefix(".")
    name, _, inner = rest.partition(".")
    name = name.partition("[")[0]
    if name in _FIELDS:
        name = next((one for one in _FIELDS[name] if inner.startswith(one)), _FIELDS[name][0])
    is_added = key.startswith("add.")
    return Note(
        kind, key if is_added else f"{key}.{name or 'template'}", f"{place}.{rest}" if rest else place, text
    )


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()
