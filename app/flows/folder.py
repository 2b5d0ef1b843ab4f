"""A folder of flow files: what its files say now, and what is to be written, deleted or said because of it.

A file holds one config or a list of them. A file that cannot be read as such changes nothing: what it said
when it was last whole stays. A flow is deleted with its file only while the newest version of it is the one
that the folder wrote, so that what others applied is left alone; a file that did not change writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from app.flows.config import parse, read_json
from app.flows.fault import FlowFault


@dataclass(frozen=True)
class Made:
    """A flow that the folder wrote: the file it is from, its config, the offset of its record."""

    file: str
    config: bytes
    offset: int


@dataclass(frozen=True, order=True)
class Complaint:
    """A file that cannot be used as it is; `place` is within it, empty for the whole."""

    file: str
    place: str
    reason: str


@dataclass(frozen=True)
class Steps:
    """What is to be done: flows to write (their file and config), to delete, and no more to look after.

    `moves` are flows that stand as they are in another file than before.
    """

    writes: Mapping[str, tuple[str, bytes]]
    moves: Mapping[str, str]
    deletes: tuple[str, ...]
    forgets: tuple[str, ...]
    complaints: tuple[Complaint, ...]


def steps(files: Mapping[str, bytes | str], made: Mapping[str, Made], latest: Mapping[str, int]) -> Steps:
    """What makes Kafka say what the folder says.

    `files` are its files by name, with their content, or as a text why one cannot be read; `made` is what
    the folder wrote before, `latest` the offset of each flow's newest version.
    """
    said, complaints = _said(files)
    wanted, twice = _once(said)
    unread = {complaint.file for complaint in complaints}
    gone = [flow_id for flow_id, one in made.items() if flow_id not in said and one.file not in unread]
    same = {key for key, (_, config) in wanted.items() if key in made and made[key].config == config}
    return Steps(
        writes={flow_id: told for flow_id, told in wanted.items() if flow_id not in same},
        moves={flow_id: wanted[flow_id][0] for flow_id in same if wanted[flow_id][0] != made[flow_id].file},
        deletes=tuple(flow_id for flow_id in gone if latest.get(flow_id) == made[flow_id].offset),
        forgets=tuple(flow_id for flow_id in gone if latest.get(flow_id) != made[flow_id].offset),
        complaints=tuple(sorted([*complaints, *twice])),
    )


_Said = dict[str, list[tuple[str, bytes]]]


def _said(files: Mapping[str, bytes | str]) -> tuple[_Said, list[Complaint]]:
    """Each flow id with the files that speak of it, and the files that say nothing that can be used."""
    said: _Said = {}
    complaints = []
    for file, content in sorted(files.items()):
        try:
            for flow_id, config in _configs(content):
                said.setdefault(flow_id, []).append((file, config))
        except FlowFault as fault:
            complaints.append(Complaint(file, fault.place, fault.reason))
    return said, complaints


def _configs(content: bytes | str) -> list[tuple[str, bytes]]:
    """The flow ids and configs of a file. Raises `FlowFault`."""
    if isinstance(content, str):
        raise FlowFault("", content)
    if not isinstance(read_json(content), list):
        return [(parse(content).flow_id, content)]
    found: dict[str, bytes] = {}
    for index, config in enumerate(msgspec.json.decode(content, type=list[msgspec.Raw])):
        try:
            flow_id = parse(bytes(config)).flow_id
        except FlowFault as fault:
            raise FlowFault(f"[{index}].{fault.place}".rstrip("."), fault.reason) from None
        if flow_id in found:
            raise FlowFault(f"[{index}].flow_id", f"{flow_id} stands in this file twice")
        found[flow_id] = bytes(config)
    return list(found.items())


def _once(said: _Said) -> tuple[dict[str, tuple[str, bytes]], list[Complaint]]:
    """The flows that one file speaks of, and a complaint for each file but the first about the others."""
    wanted, complaints = {}, []
    for flow_id, sources in said.items():
        if len(sources) == 1:
            wanted[flow_id] = sources[0]
        for file, _ in sources[1:]:
            reason = (
                f"flow {flow_id} is in {sources[0][0]} too: keep one, neither is used as long as both are"
            )
            complaints.append(Complaint(file, "flow_id", reason))
    return wanted, complaints
