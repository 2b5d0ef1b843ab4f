"""docs/presets: a page for each preset and one that lists them, written from the presets.

.venv/bin/python -m tests.preset_pages     # or: make docs

A test fails while a file is not what this writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from app.kit.hiding import MASK
from app.presets.catalogue import presets
from app.presets.expiry import WARN_DAYS
from app.presets.fill import filled
from app.presets.preset import Kind, Preset
from app.presets.story import param_told, secret_told
from app.templates.preview import Ask, Shown, preview
from app.web.pretty import pretty

FOLDER = Path(__file__).parents[1] / "docs" / "presets"
_MADE = "<!-- Made by `make docs`; changes here are lost. -->"
_KINDS: dict[Kind, str] = {
    "network": "Ad networks",
    "tracker": "Trackers",
    "affiliate": "Affiliate networks",
    "chat": "Chats",
    "webhook": "Webhooks",
}
_LEDE = """\
What vendors want to be sent, as their own pages say, to be filled in and added to a flow: in the flow editor
under “Choose a preset”, or by `postbacks presets apply`. Each is a file in
[app/presets/data](../../app/presets/data), and is tried through the whole pipeline against a server that
checks what the vendor documents and answers as it does ([tests/contracts](../../tests/contracts)).

Two accounts of one vendor: apply the preset twice, and give the secret of the second another name in its
link, `{secret.meta_token_2}` say.
"""
_AT = 1_795_446_000
_LEAD: dict[str, Any] = {
    "event_id": "e-1",
    "lead_id": "L-1001",
    "occurred_at": "2026-11-23T15:00:00Z",
    "price": 12.5,
    "currency": "usd",
    "click": {
        "id": "c-9", "ip": "203.0.113.7", "ua": "Mozilla/5.0 (Linux; Android 15)", "geo": "UA", "lang": "uk",
        "url": "https://land.example/", "referer": "https://news.example/",
    },
    "tags": {
        "utm_source": "fb", "utm_campaign": "summer", "fbp": "fb.1.1795440000000.1098115397",
        "fbc": "fb.1.1795440000000.IwAR2sample", "gclid": "Cj0KCQsample", "ttclid": "E.C.P.sample",
        "ga_client_id": "123456.7654321", "ga_session_id": "1795440000", "scid": "sc-1",
        "tblci": "GiB-sample", "ttp": "ttp-sample", "subid": "s-7",
    },
    "customer": {"name": "Olha Ko", "phone": "+380 50 123 45 67", "email": "olha@example.com"},
}  # fmt: skip


def pages() -> dict[str, str]:
    """Each file of the folder, by its name."""
    return {
        "README.md": _text("Presets", _index()),
        **{f"{one.id}.md": _text(one.title, _page(one)) for one in presets().values()},
    }


def _text(title: str, lines: Iterator[str]) -> str:
    return "\n".join([f"# {title}", "", _MADE, "", *lines]).rstrip("\n") + "\n"


def _index() -> Iterator[str]:
    yield _LEDE
    for kind, some in groupby(presets().values(), lambda one: one.kind):
        yield f"## {_KINDS[kind]}\n"
        yield "| preset | does | version | read on |"
        yield "| --- | --- | --- | --- |"
        for one in some:
            about = one.about.replace("|", "\\|")
            yield f"| [{one.title}]({one.id}.md) | {about} | {one.api_version or '–'} | {one.read_on} |"
        yield ""


def _page(preset: Preset) -> Iterator[str]:
    yield f"{preset.about}\n"
    yield from _version(preset)
    if preset.unconfirmed:
        yield "**Not confirmed on the vendor’s own page:**\n"
        yield from _list(preset.unconfirmed)
    yield from _needs(preset)
    yield "## What it sends\n"
    params, postbacks = filled(preset, {one.name: one.example for one in preset.params})
    for written, made in zip(preset.postbacks, postbacks, strict=True):
        yield from _postback(written, made, params)
    yield f"## How to try it\n\n{preset.test_mode}\n"
    if preset.notes:
        yield "## To know\n"
        yield from _list(preset.notes)
    yield "## Where this is from\n"
    yield from _list([f"<{page}>" for page in preset.pages])


def _version(preset: Preset) -> Iterator[str]:
    read_on = f"read on {preset.read_on}"
    own = f"Version {preset.api_version}, {read_on}" if preset.api_version else read_on.capitalize()
    yield f"{own}{f'; its last day is {preset.ends_on}' if preset.ends_on else ''}.\n"
    if preset.ends_on or preset.version_ends:
        others = ", ".join(f"{version} on {day}" for version, day in preset.version_ends.items())
        told = f"Others end: {others}. " if others else ""
        yield f"{told}A link to one is warned of from {WARN_DAYS} days before.\n"


def _needs(preset: Preset) -> Iterator[str]:
    yield "## What it needs\n"
    if preset.params:
        yield from _list([param_told(one) for one in preset.params])
    if preset.secrets:
        yield "In the environment of the workers that send, or in a `.env` file:\n"
        yield from _list([secret_told(one) for one in preset.secrets])
    given = " ".join(f"--param '{one.name}={one.example}'" for one in preset.params if one.default is None)
    yield f"```sh\npostbacks presets apply {preset.id} --flow F-7 {given}".rstrip() + "\n```\n"


def _postback(written: dict[str, Any], made: dict[str, Any], params: dict[str, str]) -> Iterator[str]:
    yield f"### {written['name']}, on {', '.join(written['on'])}\n"
    yield f"```\n{written['template']}\n```\n"
    rest = {key: value for key, value in written.items() if key not in ("id", "name", "on", "template")}
    yield f"```json\n{_rules(rest)}\n```\n"
    shown = _example(made, params)
    if shown is not None:
        yield "With the examples above and a lead that has all it asks for, `•••` where a secret stands:\n"
        body = "" if shown.body is None else f"\n\n{pretty(shown.body) or shown.body}"
        heads = "".join(f"\n{name}: {value}" for name, value in shown.headers.items())
        yield f"```\n{shown.method} {shown.url.replace(quote(MASK), MASK)}{heads}{body}\n```\n"


def _rules(rest: dict[str, Any]) -> str:
    """The other keys of a postback as JSON, a line each; a rule of its verdict has its own."""
    lines = []
    for key, value in rest.items():
        told = json.dumps(value, ensure_ascii=False)
        if key == "verdict":
            rules = ",\n".join(f"    {json.dumps(one, ensure_ascii=False)}" for one in value)
            told = f"[\n{rules}\n  ]"
        lines.append(f'  "{key}": {told}')
    return "{\n" + ",\n".join(lines) + "\n}"


def _example(made: dict[str, Any], params: dict[str, str]) -> Shown | None:
    """The request for a sample lead; None where only a whole flow or a secret can make it."""
    status = made["on"][0] if made["on"][0] in ("new", "hold", "approve", "cancel", "trash") else "new"
    ask = Ask(
        template=made["template"],
        event=msgspec.Raw(msgspec.json.encode({**_LEAD, "status": status})),
        now=_AT,
        headers=made.get("headers", {}),
        params=dict(params),
        omit_empty=made.get("omit_empty", False),
    )
    answered = preview(ask, now_ms=_AT * 1000, random="0123456789abcdef", reveal=False)
    return answered if isinstance(answered, Shown) else None


def _list(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines)
    yield ""


def main() -> None:
    """Write the files; those of presets that are gone are deleted."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
