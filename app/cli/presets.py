"""`postbacks presets`: what vendors want to be sent, filled in and added to a flow."""

from __future__ import annotations

import sys
from datetime import date
from typing import Annotated, Any

import typer

from app.cli.changing import change_flow
from app.cli.ending import fail
from app.cli.flows import secrets_here
from app.cli.printing import JsonOption, print_json
from app.cli.tables import Column, print_table
from app.kit.clock import today
from app.presets.catalogue import presets
from app.presets.expiry import own_ending
from app.presets.fill import ParamFault, add, wrong_params
from app.presets.preset import Preset
from app.presets.story import sections, variable_of
from app.templates.names import nearest

presets_app = typer.Typer(
    help="Presets: what vendors want to be sent, to be filled in and added to a flow.",
    epilog="Example: postbacks presets apply telegram --flow F-7 --param chat=-1001234567890",
    no_args_is_help=True,
)
_LISTED = (
    Column("preset", least=8),
    Column("title", rank=1, least=12),
    Column("kind", rank=2),
    Column("version", rank=3),
    Column("read on", rank=4),
    Column("about", rank=1, least=20),
)
PresetId = Annotated[
    str, typer.Argument(metavar="PRESET", help="Its name.", autocompletion=lambda: list(presets()))
]


@presets_app.command("list")
def list_presets(as_json: JsonOption = False) -> None:
    """The presets, by what they are: networks, trackers, affiliate networks, chats, webhooks.

    Example: postbacks presets list --json
    """
    day = today()
    if as_json:
        print_json(_row(one, day) for one in presets().values())
        return
    rows = [(p.id, p.title, p.kind, p.api_version, str(p.read_on), p.about) for p in presets().values()]
    print_table(_LISTED, rows)


@presets_app.command("show")
def show(preset: PresetId, as_json: JsonOption = False) -> None:
    """What a preset needs, where that is found at the vendor, what it sends, and how to try it.

    Example: postbacks presets show telegram
    """
    found, day = _preset(preset), today()
    if as_json:
        print_json([{**_row(found, day), **_whole(found)}])
        return
    print(f"{found.id}: {found.title}\n{found.about}")
    for title, lines in sections(found, day):
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")


@presets_app.command("apply")
def apply(
    preset: PresetId,
    flow: Annotated[str, typer.Option("--flow", help="Flow id; one that is not there is made.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", help="NAME=VALUE; presets show names them.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write it without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a preset's postbacks to a flow: shows the flow as it would be, then asks.

    What others save meanwhile is not overwritten.

    Example: postbacks presets apply telegram --flow F-7 --param chat=-1001234567890
    """
    found, given = _preset(preset), _given(param or [])
    if wrong := wrong_params(found, given):
        fail(str(ParamFault(found, wrong)), status=2)

    change_flow(
        flow,
        lambda config: add(config, found, given),
        lambda: _say_secrets(found),
        yes=yes,
        as_json=as_json,
    )


def _preset(name: str) -> Preset:
    known = presets()
    if name not in known:
        fail(f"there is no preset {name!r}; did you mean {nearest(name, known)}? presets list names all", 2)
    return known[name]


def _given(params: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for one in params:
        name, equals, value = one.partition("=")
        if not equals:
            fail(f"--param {one}: write it as NAME=VALUE", status=2)
        if name in given:
            fail(f"--param {name} is given twice", status=2)
        given[name] = value
    return given


def _say_secrets(preset: Preset) -> None:
    """Name the secrets that are not set here."""
    secrets = secrets_here()
    for secret in preset.secrets:
        if secrets(secret.name) is None:
            print(
                f"postbacks: set {variable_of(secret.name)} where postbacks are sent: {secret.title}; "
                f"where to find it: {secret.where}",
                file=sys.stderr,
            )


def _row(preset: Preset, day: date) -> dict[str, Any]:
    return {
        "preset": preset.id,
        "title": preset.title,
        "kind": preset.kind,
        "about": preset.about,
        "hosts": preset.hosts,
        "api_version": preset.api_version,
        "read_on": preset.read_on,
        "ends_on": preset.ends_on,
        "warning": own_ending(preset, day),
        "params": [one.name for one in preset.params],
        "secrets": [one.name for one in preset.secrets],
    }


def _whole(preset: Preset) -> dict[str, Any]:
    return {
        "pages": preset.pages,
        "unconfirmed": preset.unconfirmed,
        "test_mode": preset.test_mode,
        "notes": preset.notes,
        "params": [
            {
                "name": one.name,
                "title": one.title,
                "where": one.where,
                "example": one.example,
                "pattern": one.pattern,
                "default": one.default,
            }
            for one in preset.params
        ],
        "secrets": [
            {"name": one.name, "title": one.title, "where": one.where, "variable": variable_of(one.name)}
            for one in preset.secrets
        ],
        "postbacks": preset.postbacks,
    }
