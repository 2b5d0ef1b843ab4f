"""The presets that are shipped, by id, and which of them a host is known to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import get_args

from app.presets.preset import Kind, Preset, read_preset

_KINDS = get_args(Kind)


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by id, in the order of their kind and title. Raises `PresetFault`."""
    found = [
        read_preset(file.name.removesuffix(".toml"), file.read_bytes())
        for file in files("app.presets").joinpath("data").iterdir()
        if file.name.endswith(".toml")
    ]
    return {one.id: one for one in sorted(found, key=lambda one: (_KINDS.index(one.kind), one.title.lower()))}


def suggested(host: str) -> tuple[Preset, ...]:
    """The presets that a link to this host (as a request has it, its port may stand) is offered."""
    bare = host.lower().partition(":")[0].rstrip(".")
    return tuple(one for one in presets().values() if any(_is_of(bare, known) for known in one.hosts))


def _is_of(host: str, known: str) -> bool:
    return host.endswith(known[1:]) if known.startswith("*.") else host == known
