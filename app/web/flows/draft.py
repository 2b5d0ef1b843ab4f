"""An edit of a flow on its way: what it began with, what it is now, on which tab. Pure.

A page keeps no state in the server. Its form carries the version that the edit began with, the config that
was there then (`base`) and the config that the fields are shown of (`draft`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.flows.layout import written
from app.web.flows.fields import plain
from app.web.flows.form import Edited, Form, config_of, edited, form_of, given_of

NEW = '{\n  "flow_id": "",\n  "postbacks": {}\n}'
Tab = Literal["form", "json"]


@dataclass
class Draft:
    """An edit. `version` is None for a flow that is not there yet, `given` are the fields as they came."""

    flow_id: str
    version: int | None
    base: str
    draft: str
    tab: Tab = "form"
    given: dict[str, str] = field(default_factory=dict)
    lead: str = ""

    @property
    def form(self) -> Form | None:
        """The form of the draft; None when fields cannot show it."""
        return form_of(config_of(self.draft))

    @property
    def made(self) -> Edited | None:
        """What the fields make of the draft; None on the tab for JSON."""
        value = config_of(self.draft)
        if self.tab == "json" or not isinstance(value, dict) or form_of(value) is None:
            return None
        return edited(value, self.given)

    @property
    def text(self) -> str:
        """The config as it would be saved."""
        made = self.made
        if made is None:
            return self.draft
        return written(made.value, self.draft) if made.is_changed else self.draft

    def on(self, tab: Tab) -> Draft:
        """The same on the other tab."""
        return Draft(self.flow_id, self.version, self.base, self.text, tab, {}, self.lead)


def opened(flow_id: str, version: int, text: str, tab: Tab, lead: str) -> Draft:
    """A flow as it is opened."""
    begun = Draft(flow_id, version, text, text, tab, {}, lead)
    return begun if begun.form is not None else Draft(flow_id, version, text, text, "json", {}, lead)


def sent(flow_id: str, pairs: Iterable[tuple[str, str]], stored: Mapping[int, str]) -> Draft:
    """An edit as the browser sends it; `stored` has the text of the version that is there now.

    A browser sends other line ends than it got: a text that differs in nothing else is the stored one.
    """
    pairs = list(pairs)
    told = dict(pairs)
    version = int(told["version"]) if told.get("version", "").isdecimal() else None
    now = stored.get(version) if version is not None else NEW

    def exact(text: str) -> str:
        text = plain(text)
        return now if now is not None and plain(now) == text else text

    base, draft = exact(told.get("base", NEW)), exact(told.get("draft", ""))
    lead = told.get("lead", "").strip()
    if "config" in told:
        return Draft(flow_id, version, base, exact(told["config"]), "json", {}, lead)
    form = form_of(config_of(draft))
    given = {} if form is None else given_of(pairs, form)
    return Draft(flow_id, version, base, draft, "form", given, lead)


def value_of(text: str) -> Any:
    """A config's JSON value, whatever it is; its text when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
