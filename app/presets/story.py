"""A preset told to a person: what it needs and where to find it, what it sends, what is not certain. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from app.kit.secrets import PREFIX, in_capitals
from app.presets.expiry import ending, ends
from app.presets.preset import Param, Preset, Secret


def sections(preset: Preset, today: date) -> Iterator[tuple[str, Sequence[str]]]:
    """Titles with their lines, those alone that have any."""
    told: tuple[tuple[str, Sequence[str]], ...] = (
        ("Parameters", [param_told(one) for one in preset.params]),
        ("Secrets", [secret_told(one) for one in preset.secrets]),
        ("Postbacks", [line for one in preset.postbacks for line in postback_told(one)]),
        ("Try it", [preset.test_mode]),
        ("To know", preset.notes),
        ("Not confirmed on the vendor's own page", preset.unconfirmed),
        ("Version", version_told(preset, today)),
        ("Pages", preset.pages),
    )
    return ((title, lines) for title, lines in told if lines)


def param_told(param: Param) -> str:
    """A parameter in a line."""
    left_out = "" if param.default is None else "; may be left out"
    if param.default:
        left_out += f", it is {param.default} then"
    return f"{param.name}: {param.title}, such as {param.example}{left_out}; where to find it: {param.where}"


def secret_told(secret: Secret) -> str:
    """A secret in a line."""
    return f"{variable_of(secret.name)}: {secret.title}; where to find it: {secret.where}"


def postback_told(postback: dict[str, Any]) -> Iterator[str]:
    """A postback as lines: when, what."""
    yield f"{postback['id']}, on {', '.join(postback['on'])}"
    yield f"  {postback['template']}"
    for name, value in postback.get("headers", {}).items():
        yield f"  {name}: {value}"


def version_told(preset: Preset, today: date) -> list[str]:
    """What is known of the vendor's version, and the day on which that was read."""
    told = [f"{preset.api_version or 'the vendor has none'}, read on {preset.read_on}"]
    told += [
        ending(preset, version, day, today) or f"{version} ends on {day}"
        for version, day in ends(preset).items()
    ]
    return told


def variable_of(secret: str) -> str:
    """The environment's variable of a secret, as people write it."""
    return PREFIX + in_capitals(secret)
