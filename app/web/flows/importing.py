"""“Paste a link” of the flow editor: a link of another tool, translated and put under an event. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.imports.offer import offered
from app.imports.tool import tools
from app.imports.translate import Change, Imported, translate
from app.presets.preset import Preset

LINK, FROM, UNDER = "import.link", "import.from", "import.under"


@dataclass(frozen=True, slots=True)
class Pasted:
    """A link that was pasted, translated, and the presets that it is offered."""

    imported: Imported
    presets: tuple[Preset, ...]

    @property
    def changes(self) -> list[Change]:
        """What is to be said: each macro once, those that stay as they are left out."""
        told = {(one.theirs, one.ours): one for one in self.imported.changes if one.kind != "kept"}
        return list(told.values())


def pasted(given: Mapping[str, str]) -> Pasted | None:
    """What the form's fields hold; None without a link."""
    link = given.get(LINK, "").strip()
    if not link:
        return None
    imported = translate(link, tools().get(given.get(FROM, "")))
    return Pasted(imported, offered(imported))


def inserted(given: Mapping[str, str]) -> dict[str, str] | None:
    """The fields with the translated link under its event; None when the field of that event is taken."""
    found, field = pasted(given), f"add.{given.get(UNDER, '')}"
    if found is None or given.get(field, "").strip():
        return None
    rest = {name: text for name, text in given.items() if name not in (LINK, FROM)}
    return {**rest, field: found.imported.template}
