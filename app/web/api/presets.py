"""`GET /api/presets`: what vendors want to be sent, as data."""

from __future__ import annotations

from msgspec import Struct

from app.presets.catalogue import presets
from app.presets.preset import Preset
from app.web.api.call import Answer, Call


class Presets(Struct):
    """All presets, by what they are."""

    data: list[Preset]


async def list_presets(call: Call[None, None]) -> Answer[Presets]:
    """List the presets: what each needs, what it sends, when its pages were read."""
    return Answer(Presets(list(presets().values())))
