"""The presets that a pasted link is offered: those of its host, else of the tool that it leads to. Pure."""

from __future__ import annotations

from app.imports.guess import receiver
from app.imports.translate import Imported
from app.presets.catalogue import presets, suggested
from app.presets.preset import Preset
from app.templates.fields import host_of


def offered(imported: Imported) -> tuple[Preset, ...]:
    """The presets for a translated link; a tracker, whose host is anyone's, is known by its parameters."""
    if of_host := suggested(host_of(imported.template)):
        return of_host
    tool = receiver(imported.link)
    if tool is None:
        return ()
    return tuple(one for one in presets().values() if one.id.partition("-")[0] == tool.id)
