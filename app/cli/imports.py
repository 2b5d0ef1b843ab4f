"""`postbacks import`: links of other trackers and networks become ours."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.ending import fail
from app.cli.printing import JsonOption, print_json, printable
from app.flows.written import EVENTS
from app.imports.offer import offered
from app.imports.place import add
from app.imports.tool import Tool, tools
from app.imports.translate import Change, Imported, translate

_MARKS = {"kept": " ", "changed": " ", "check": "?", "missing": "!"}


def import_links(
    links: Annotated[
        list[str] | None, typer.Argument(metavar="[LINK]...", help="A link; - reads one a line.")
    ] = None,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="A file with one link a line.")] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TOOL",
            help="keitaro, altercpa, binom, voluum, redtrack or affise; guessed by its macros otherwise.",
            autocompletion=lambda: list(tools()),
        ),
    ] = None,
    flow: Annotated[
        str | None, typer.Option(metavar="ID", help="Add it to this flow; one that is not there is made.")
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="EVENT", help=f"With --flow: {', '.join(EVENTS)}; may be given again."),
    ] = None,
    postback: Annotated[
        str, typer.Option(metavar="ID", help="With --flow: its id; by default made of its host.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="With --flow: write it without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Translate links of Keitaro, AlterCPA, Binom, Voluum, RedTrack or Affise into links of ours.

    Each change is said in a line: ? asks you to look at it, ! has no counterpart. Nothing is sent; with
    --flow the link is added to a flow, as flows apply would. Status 2 when one cannot be used as it is.

    Example: postbacks import 'https://ad.example/pb?cid={subid}&payout={revenue}' --flow F-7 --on approve
    """
    if flow is None and (on or postback or yes):
        fail("--on, --postback and --yes go with --flow", status=2)
    if flow is not None and not on:
        fail("--flow wants to know when it is sent: --on approve", status=2)
    found = [translate(link, _tool(from_)) for link in _links(links or [], file)]
    if not as_json or flow is None:
        _print(found, as_json)
    if any(one.fault for one in found):
        sys.exit(2)
    if flow is not None:
        _write(found, flow, _events(on or []), postback, yes=yes, as_json=as_json)


def _write(
    found: list[Imported], flow: str, on: list[str], postback: str, *, yes: bool, as_json: bool
) -> None:
    from app.cli.changing import change_flow

    templates = [one.template for one in found]
    change_flow(flow, lambda config: add(config, templates, on, postback), yes=yes, as_json=as_json)


def _events(told: Iterable[str]) -> list[str]:
    return [event for one in told for part in one.split(",") if (event := part.strip())]


def _tool(told: str | None) -> Tool | None:
    if told is not None and told not in tools():
        fail(f"--from {told!r} is unknown: choose from {', '.join(tools())}", status=2)
    return None if told is None else tools()[told]


def _links(told: list[str], file: Path | None) -> list[str]:
    lines: list[str] = []
    for one in told:
        lines += sys.stdin.read().splitlines() if one == "-" else [one]
    if file is not None:
        try:
            lines += (sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            fail(f"{file}: {getattr(error, 'strerror', None) or error}", status=2)
    found = [line.strip() for line in lines if line.strip()]
    return found or fail("which link? postbacks import 'https://…', or --file FILE", status=2)


def _print(found: list[Imported], as_json: bool) -> None:
    if as_json:
        print_json(map(_as_json, found))
        return
    for index, one in enumerate(found):
        print("\n" * (index > 0) + printable(one.template))
        for line in _lines(one):
            print(printable(line))


def _lines(one: Imported) -> Iterable[str]:
    if one.fault:
        yield f"! it cannot be used as it is: {one.fault}"
    if one.tool is not None:
        yield f"  read as {one.tool.title}'s" + (f": {one.why}" if one.why else "")
    if one.rivals:
        names = ", ".join(tool.id for tool in one.rivals)
        yield f"? it may as well be of {names}, which would read it otherwise: --from tells whose it is"
    told: dict[str, Change] = {change.theirs: change for change in one.changes if change.kind != "kept"}
    yield from (f"{_MARKS[change.kind]} {change.told()}" for change in told.values())
    for preset in offered(one):
        yield f"  there is a preset for its receiver, {preset.title}: postbacks presets show {preset.id}"


def _as_json(one: Imported) -> dict[str, Any]:
    return {
        "link": one.link,
        "tool": None if one.tool is None else one.tool.id,
        "why": one.why,
        "rivals": [tool.id for tool in one.rivals],
        "template": one.template,
        "fault": one.fault,
        "needs_a_person": one.needs_a_person,
        "changes": [
            {"at": c.at, "theirs": c.theirs, "ours": c.ours, "kind": c.kind, "says": c.says}
            for c in one.changes
        ],
        "presets": [preset.id for preset in offered(one)],
    }
