"""A link of another tool as a template of ours, with each change explained. Pure.

Every character outside what the tool would fill in stays as it is. Nothing is guessed silently: what has no
counterpart becomes a tag, which is empty unless leads bring it, and is named; so is what a person has to
look at. A template that cannot be compiled is returned with its fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.imports.dates import our_date
from app.imports.guess import Guess, guess, receiver
from app.imports.link import Asked, pieces
from app.imports.tool import Known, Tool, macros_of
from app.templates.fault import TemplateFault
from app.templates.names import is_known
from app.templates.program import compile_template

Kind = Literal["kept", "changed", "check", "missing"]
_special = re.compile(r"([\\|{},=])")
_STATUSES = ("new", "hold", "approve", "cancel", "trash")


@dataclass(frozen=True, slots=True)
class Change:
    """One macro: as it was written at which character, what it is here, and what is to be said of it.

    `check` asks a person to look at it, `missing` has no counterpart, `kept` is the same here.
    """

    at: int
    theirs: str
    ours: str
    kind: Kind
    says: str

    def told(self) -> str:
        """The change in one line."""
        if self.kind == "missing":
            return f"{self.theirs} has no counterpart: {self.says}"
        if self.theirs == self.ours:
            return f"{self.theirs} stays: {self.says}"
        return f"{self.theirs} → {self.ours}: {self.says}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A link translated: of which tool (None when nothing tells) and why it was taken for that one.

    `rivals` are tools that it may be of as well and that would read it otherwise; `fault` is why the
    template cannot be used as it is.
    """

    link: str
    tool: Tool | None
    why: str
    rivals: tuple[Tool, ...]
    template: str
    changes: tuple[Change, ...]
    fault: str | None

    @property
    def needs_a_person(self) -> bool:
        """Whether something has to be looked at before it is sent."""
        return bool(self.fault or self.rivals) or any(
            one.kind in ("check", "missing") for one in self.changes
        )


def translate(link: str, tool: Tool | None = None) -> Imported:
    """The link as a template of ours; `tool` is whose it is, guessed when it is not told."""
    parts = list(pieces(link))
    asked = [one for one in parts if isinstance(one, Asked)]
    to = receiver(link)
    found = Guess((tool,)) if tool is not None else guess(asked, to)
    if not found.tools and to is not None and asked:
        found = Guess((to,), f"a link to {to.title}")
    changes = _changes(link, asked, found.tools[0] if found.tools else None, to)
    rivals = tuple(
        one
        for one in found.tools[1:]
        if [change.ours for change in _changes(link, asked, one, to)] != [change.ours for change in changes]
    )
    ours = iter(changes)
    template = "".join([part if isinstance(part, str) else next(ours).ours for part in parts])
    first = found.tools[0] if found.tools else None
    return Imported(link, first, found.why, rivals, template, tuple(changes), _fault(template))


def _changes(link: str, asked: list[Asked], tool: Tool | None, to: Tool | None) -> list[Change]:
    return [_change(link, one, tool, to) for one in asked]


def _fault(template: str) -> str | None:
    try:
        compile_template(template)
    except TemplateFault as fault:
        return fault.reason if fault.at is None else f"{fault.reason} (at character {fault.at})"
    return None


def _change(link: str, asked: Asked, tool: Tool | None, to: Tool | None) -> Change:
    known = None if tool is None or asked.is_ours else macros_of(tool.id).get(asked.name)
    if known is not None and tool is not None:
        return _of_the_tool(link, asked, known, tool)
    if is_known(asked.name) and (asked.is_ours or asked.argument is None):
        ours = f"{{{asked.argument}}}" if asked.is_ours else _raw(f"{{{asked.name}}}", asked)
        kind: Kind = "kept" if ours == asked.text else "changed"
        says = "the same here" if asked.text.startswith("{") else "the same here, no longer percent-encoded"
        return Change(asked.at, asked.text, ours, kind, says)
    if to is not None and (field := to.fields.get(asked.param)):
        ours, notes = _status(link, asked, field, to) if field == "{status}" else (field, [])
        says = f"{to.title} asks for it in its parameter {asked.param}"
        return Change(asked.at, asked.text, ours, "check", "; ".join([says, *notes]))
    return _unknown(asked, tool)


def _unknown(asked: Asked, tool: Tool | None) -> Change:
    if asked.is_ours:
        says = "no macro of this name is known: it is sent as text, unless a lead has a tag of that name"
        return Change(asked.at, asked.text, f"{{{asked.argument}}}", "check", says)
    if not asked.name:
        says = "no tool says what belongs there, and it is sent as text: write a macro, or take it out"
        return Change(asked.at, asked.text, asked.text, "missing", says)
    whose = "no known tool has it" if tool is None else f"{tool.title}'s own pages name no such macro"
    ours = _raw("{tag." + asked.name + "}", asked)
    says = f"{whose}; {ours} is empty unless leads bring a tag of that name"
    return Change(asked.at, asked.text, ours, "missing", says)


def _of_the_tool(link: str, asked: Asked, known: Known, tool: Tool) -> Change:
    if known.ours is None:
        ours = _raw("{tag." + asked.name + "}", asked)
        says = f"{known.says}; {ours} is empty unless leads bring a tag of that name"
        return Change(asked.at, asked.text, ours, "missing", says)
    ours, notes = _with_argument(link, asked, known, tool)
    ours = _raw(ours, asked)
    notes = [*notes, known.check] if known.check else notes
    says = "; ".join([known.says, *notes])
    kind: Kind = "check" if notes else "kept" if ours == asked.text else "changed"
    return Change(asked.at, asked.text, ours, kind, says)


def _with_argument(link: str, asked: Asked, known: Known, tool: Tool) -> tuple[str, list[str]]:
    """Our macro for one with its argument, and what a person has to know of that."""
    assert known.ours is not None
    if known.is_mapped:
        return _status(link, asked, known.ours, tool)
    if known.argument == "php_date":
        return _date(asked.argument, known.ours)
    if known.argument == "function" and asked.argument == "raw":
        return "{_" + known.ours[1:], []
    if asked.argument is None:
        return known.ours, []
    return known.ours, [f"what :{asked.argument} does to it is left out"]


def _raw(ours: str, asked: Asked) -> str:
    return "{_" + ours[1:] if asked.is_raw and not ours.startswith("{_") else ours


def _status(link: str, asked: Asked, ours: str, tool: Tool) -> tuple[str, list[str]]:
    told = [param for param in tool.status_params if f"{param}=" in link]
    if told and asked.argument is None:
        return ours, [
            f"{', '.join(told)} tell {tool.title} which words are which status: they have to name ours, "
            "new, hold, approve, cancel and trash"
        ]
    words = _words(asked.argument or "")
    by_status = {status: words.get(word, word) for status, word in tool.statuses.items()}
    strange = [f"{word}={words[word]}" for word in words if word not in tool.statuses.values()]
    notes = [f"{', '.join(strange)} has no status of ours: write the map anew"] if strange else []
    return _mapped(by_status, ours), notes


def _words(argument: str) -> dict[str, str]:
    """`lead=install sale=bill` as words by words; what is no such pair is left out."""
    pairs = (pair.partition("=") for pair in argument.split())
    return {word: to for word, mark, to in pairs if word and mark and to}


def _mapped(statuses: Mapping[str, str], ours: str = "{status}") -> str:
    """Our status in another's words: a `map` filter, unless there is nothing to be mapped."""
    items = [f"{status}={_escaped(statuses[status])}" for status in _STATUSES if status in statuses]
    return f"{ours[:-1]}|map:{','.join(items)}}}" if items else ours


def _date(argument: str | None, ours: str) -> tuple[str, list[str]]:
    form, _, zone = (argument or "").strip().partition(",")
    if not form.strip():
        return ours[:-1] + "|date:%Y-%m-%d}", ["its format was not told: write it after date:"]
    codes, missing = our_date(form.strip())
    if codes == "%s" and not zone.strip():
        return ours, []
    notes = [f"{', '.join(missing)} of its format has no counterpart and is left out"] if missing else []
    place = f",{_escaped(zone.strip())}" if zone.strip() else ""
    return f"{ours[:-1]}|date:{_escaped(codes) or '%F'}{place}}}", notes


def _escaped(text: str) -> str:
    """A text as part of a filter's argument, where some characters mean something."""
    return _special.sub(r"\\\1", text)
