"""The gallery of presets in the flow editor: which there are, and the one that was chosen. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any

from app.presets.catalogue import presets
from app.presets.expiry import own_ending
from app.presets.fill import Added, add, wrong_params
from app.presets.preset import Kind, Preset
from app.presets.story import variable_of

PRESET = "gallery.preset"
_VALUE = "gallery.param."


@dataclass(frozen=True, slots=True)
class SecretShown:
    """A secret that a preset needs: its variable, and whether it is set where the page is made."""

    title: str
    where: str
    variable: str
    is_set: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """A preset with what was given for it. `ends` warns of its version, `wrong` is by parameter."""

    preset: Preset
    values: Mapping[str, str]
    secrets: list[SecretShown]
    ends: str
    wrong: Mapping[str, str] = field(default_factory=dict)

    def with_faults(self) -> Chosen:
        """The same, with what is wrong with its parameters."""
        wrong = wrong_params(self.preset, self.values)
        return Chosen(self.preset, self.values, self.secrets, self.ends, wrong)

    def added_to(self, config: Mapping[str, Any]) -> Added:
        """The config with the preset in it. Raises `ParamFault`."""
        return add(config, self.preset, self.values)


def by_kind() -> list[tuple[Kind, list[Preset]]]:
    """The presets under what they are."""
    return [(kind, list(some)) for kind, some in groupby(presets().values(), lambda one: one.kind)]


def chosen(given: Mapping[str, str], secret: Callable[[str], str | None], today: date) -> Chosen | None:
    """The preset that the form's fields name; None when they name none."""
    preset = presets().get(given.get(PRESET, ""))
    if preset is None:
        return None
    values = {one.name: given.get(f"{_VALUE}{one.name}", "").strip() for one in preset.params}
    secrets = [
        SecretShown(one.title, one.where, variable_of(one.name), secret(one.name) is not None)
        for one in preset.secrets
    ]
    return Chosen(preset, values, secrets, own_ending(preset, today) or "")
