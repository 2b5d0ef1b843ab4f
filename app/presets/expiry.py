"""Vendors end the versions of their interfaces: what to say to whoever still sends to one. Pure.

A link is of a version when that stands as a segment of its path: `https://graph.facebook.com/v21.0/…`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

from app.flows.lint import Warning
from app.flows.lint import lint as lint_flow
from app.presets.catalogue import suggested
from app.presets.preset import Preset

_LINK = re.compile(r"\s*https?://(?P<host>[^/?#|]*)(?P<path>[^?#]*)", re.IGNORECASE)

WARN_DAYS = 60
"""So long before a version's last day it is said that it ends."""


def lint(value: bytes, secret: Callable[[str], str | None], today: date) -> list[Warning]:
    """The warnings about a flow config, those about versions that end among them.

    Raises `FlowFault` for a config that would be refused.
    """
    return lint_flow(value, secret, partial(of_link, today=today))


def of_link(template: str, today: date) -> Iterator[str]:
    """What is to be said about the versions in a template's link."""
    if (link := _LINK.match(template)) is None:
        return
    segments = set(re.split(r"[/|]", link["path"]))
    for preset in suggested(link["host"]):
        for version, ends_on in ends(preset).items():
            if version in segments and (told := ending(preset, version, ends_on, today)):
                yield told


def ends(preset: Preset) -> dict[str, date]:
    """The last days of the preset's versions, its own and others, as far as they are known."""
    own = {preset.api_version: preset.ends_on} if preset.ends_on else {}
    return {**preset.version_ends, **own}


def own_ending(preset: Preset, today: date) -> str | None:
    """The sentence about the version that the preset itself sends to; None while that is far or not known."""
    return ending(preset, preset.api_version, preset.ends_on, today) if preset.ends_on else None


def ending(preset: Preset, version: str, ends_on: date, today: date) -> str | None:
    """A sentence about a version whose last day is over or near; None while it is far."""
    days = (ends_on - today).days
    if days > WARN_DAYS:
        return None
    when = f"ended on {ends_on}" if days < 0 else f"ends on {ends_on}, in {days} days"
    if version == preset.api_version:
        cure = f"see {preset.pages[0]} for the version that follows"
    else:
        cure = f"preset {preset.id} has {preset.api_version}, read on {preset.read_on}"
    return f"{version} of {preset.title} {when}: {cure}"
