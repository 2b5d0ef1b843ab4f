"""The sample flows and leads and what is expected of them: files beside this module, made to be read.

A link in a flow file leads to a host that is named after how it answers, `http://503-then-200.receiver/…`;
`write_flows` puts the address of the demo's receiver there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import msgspec

_HOST = re.compile(r"http://([a-z0-9-]+)\.receiver/")
_HERE = files("app.demo")


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one lead, postback and event must come to; without a postback no postback was reached.

    `outcomes` are those of its rows, oldest first; `why` stands in the reason of the last. `arrives` are
    fields that the receiver must have read out of the request, `about` says what the sample is for.
    """

    lead: str
    outcomes: tuple[str, ...]
    why: str
    about: str
    postback: str = ""
    event: str = ""
    arrives: dict[str, str] = {}

    @property
    def key(self) -> tuple[str, str, str]:
        """Lead, postback and event."""
        return self.lead, self.postback, self.event


class Event(msgspec.Struct, frozen=True):
    """A line of the leads: the value as it is produced, and the lead id, its key."""

    lead_id: str
    value: bytes


class _Keyed(msgspec.Struct):
    lead_id: str


def expected() -> list[Expected]:
    """What must come of the leads."""
    return msgspec.json.Decoder(Expected).decode_lines(_read("expected.jsonl"))


def events() -> list[Event]:
    """The lead events, in the order in which they are produced."""
    lines = _read("leads.jsonl").splitlines()
    return [Event(msgspec.json.decode(line, type=_Keyed).lead_id, line) for line in lines]


def write_flows(folder: Path, addresses: Mapping[str, str]) -> None:
    """Write the flow files, and nothing else, into `folder`, their links leading to the receiver.

    `addresses` is `host:port` by how it answers. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for file in _HERE.joinpath("flows").iterdir():
        (folder / file.name).write_text(led_to(file.read_text("utf-8"), addresses), "utf-8")


def led_to(flow: str, addresses: Mapping[str, str]) -> str:
    """The text of a flow file with its links leading to the receiver; the path begins with how it answers."""
    return _HOST.sub(lambda found: f"http://{addresses[found[1]]}/{found[1]}/", flow)


def _read(name: str) -> bytes:
    return _HERE.joinpath(name).read_bytes()
