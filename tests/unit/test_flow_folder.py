"""What a folder of flow files asks for: a file changes its flows alone, and a broken one changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.flows.folder import Complaint, Made, Steps, steps


def a_flow(flow_id: str, link: str = "https://track.er/") -> dict[str, Any]:
    return {"flow_id": flow_id, "postbacks": {"new": link}}


def a_file(*flows: dict[str, Any]) -> bytes:
    return json.dumps(flows[0] if len(flows) == 1 else flows).encode()


class World:
    """Kafka and the folder as the pure steps see them: what was written, at which offset, by whom."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | str] = {}
        self.made: dict[str, Made] = {}
        self.latest: dict[str, int] = {}
        self.flows: dict[str, bytes] = {}
        self.offset = 0

    def apply(self, flow_id: str, config: bytes | None) -> int:
        """A record of any producer; its offset."""
        self.offset += 1
        if config is None:
            del self.flows[flow_id], self.latest[flow_id]
        else:
            self.flows[flow_id], self.latest[flow_id] = config, self.offset
        return self.offset

    def look(self) -> Steps:
        """One look at the folder, and everything done that it asks for."""
        todo = steps(self.files, self.made, self.latest)
        for flow_id, (file, config) in todo.writes.items():
            self.made[flow_id] = Made(file, config, self.apply(flow_id, config))
        for flow_id, file in todo.moves.items():
            self.made[flow_id] = Made(file, self.made[flow_id].config, self.made[flow_id].offset)
        for flow_id in todo.deletes:
            self.apply(flow_id, None)
        for flow_id in (*todo.deletes, *todo.forgets):
            del self.made[flow_id]
        again = steps(self.files, self.made, self.latest)
        assert again == Steps({}, {}, (), (), todo.complaints), "a second look does nothing"
        return todo

    @property
    def ids(self) -> set[str]:
        return set(self.flows)


@pytest.fixture
def world() -> World:
    world = World()
    world.files = {"a.json": a_file(a_flow("F-1")), "b.json": a_file(a_flow("F-2"), a_flow("F-3"))}
    world.look()
    return world


def test_a_file_holds_one_flow_as_it_is_written_or_a_list_of_them(world: World) -> None:
    assert world.ids == {"F-1", "F-2", "F-3"}
    assert world.flows["F-1"] == world.files["a.json"]
    assert json.loads(world.flows["F-3"]) == a_flow("F-3")


def test_a_changed_file_writes_what_changed_in_it_and_nothing_else(world: World) -> None:
    world.files["b.json"] = a_file(a_flow("F-2", "https://other.er/"), a_flow("F-3"))
    todo = world.look()
    assert list(todo.writes) == ["F-2"]
    assert b"other.er" in world.flows["F-2"]


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        (b'{"flow_id": "F-2"', "", "not JSON"),
        (a_file(a_flow("F-2"), a_flow("F-3", "https://x/?c={click|sha265}")), "[1].postbacks.new", "sha256"),
        (a_file(a_flow("F-2"), {"postbacks": {}}), "[1].flow_id", ""),
        (a_file(a_flow("F-2"), a_flow("F-2")), "[1].flow_id", "twice"),
        (b"[[]]", "[0]", ""),
        (b"7", "", ""),
        (b"\xff", "", ""),
        ("it cannot be read: Permission denied", "", "Permission denied"),
    ],
)
def test_a_broken_file_is_named_and_what_it_said_before_stays(
    world: World, content: bytes | str, place: str, reason: str
) -> None:
    before = dict(world.flows)
    world.files["b.json"] = content
    todo = world.look()
    assert world.flows == before
    assert [(one.file, one.place) for one in todo.complaints] == [("b.json", place)]
    assert reason in todo.complaints[0].reason


def test_a_repaired_file_is_followed_again(world: World) -> None:
    world.files["b.json"] = b"{"
    world.look()
    world.files["b.json"] = a_file(a_flow("F-3"))
    todo = world.look()
    assert (todo.complaints, todo.deletes) == ((), ("F-2",))
    assert world.ids == {"F-1", "F-3"}


def test_a_deleted_file_deletes_the_flows_that_it_made(world: World) -> None:
    world.apply("F-9", a_file(a_flow("F-9")))
    del world.files["b.json"]
    assert sorted(world.look().deletes) == ["F-2", "F-3"]
    assert world.ids == {"F-1", "F-9"}


def test_a_deleted_file_leaves_a_flow_that_others_have_changed_since(world: World) -> None:
    world.apply("F-1", a_file(a_flow("F-1", "https://by.hand/")))
    del world.files["a.json"]
    assert world.look().forgets == ("F-1",)
    assert b"by.hand" in world.flows["F-1"]


def test_an_unchanged_file_brings_back_nothing_that_others_changed_or_deleted(world: World) -> None:
    world.apply("F-1", a_file(a_flow("F-1", "https://by.hand/")))
    world.apply("F-2", None)
    world.look()
    assert b"by.hand" in world.flows["F-1"]
    assert world.ids == {"F-1", "F-3"}


def test_a_file_that_is_saved_again_is_newer_than_what_others_applied(world: World) -> None:
    world.apply("F-1", a_file(a_flow("F-1", "https://by.hand/")))
    world.files["a.json"] = a_file(a_flow("F-1", "https://saved.er/"))
    world.look()
    assert b"saved.er" in world.flows["F-1"]


def test_two_files_with_one_flow_are_named_and_change_nothing(world: World) -> None:
    before = dict(world.flows)
    world.files["c.json"] = a_file(a_flow("F-1", "https://twice.er/"))
    [complaint] = world.look().complaints
    assert world.flows == before
    assert complaint == Complaint("c.json", "flow_id", complaint.reason)
    assert "F-1" in complaint.reason
    assert "a.json" in complaint.reason
    del world.files["a.json"]
    world.look()
    assert b"twice.er" in world.flows["F-1"]


def test_a_renamed_file_changes_nothing_and_is_then_what_its_flow_hangs_on(world: World) -> None:
    world.files["z.json"] = world.files.pop("a.json")
    todo = world.look()
    assert (todo.writes, todo.moves, todo.deletes) == ({}, {"F-1": "z.json"}, ())
    world.files["z.json"] = b"{"
    world.look()
    assert "F-1" in world.ids
    del world.files["z.json"]
    world.look()
    assert "F-1" not in world.ids
