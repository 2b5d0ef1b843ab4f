"""A table that reads what stood in its topic when it is asked for, and what changes at once."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from app.flows.config import parse_record
from app.flows.flow import Flow
from app.stream.latest import Latest
from app.templates.program import Program, compile_template


class Decoded:
    """A decoder that remembers what it was given; `bad…` cannot be read."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def __call__(self, key: str, value: bytes, offset: int) -> str | None:
        self.values.append(value)
        return None if value.startswith(b"bad") else f"{value.decode()}@{offset}"


def loaded(*records: tuple[str, bytes | None]) -> tuple[Latest[str], Decoded]:
    decoded = Decoded()
    table = Latest(decoded)
    for offset, (key, value) in enumerate(records):
        table.put(key, value, offset)
    table.loaded()
    return table, decoded


def test_loading_decodes_nothing_and_each_key_is_decoded_once_by_its_first_use() -> None:
    table, decoded = loaded(*[(f"F-{number}", b"v") for number in range(1_000)])
    assert (len(table), decoded.values) == (1_000, [])
    assert table.get("F-7") == table.get("F-7") == "v@7"
    assert decoded.values == [b"v"]


def test_a_change_of_one_key_decodes_that_one_alone_and_at_once() -> None:
    table, decoded = loaded(*[(f"F-{number}", b"v") for number in range(1_000)])
    table.put("F-7", b"w", 1_000)
    assert decoded.values == [b"w"]
    assert table["F-7"] == "w@1000"
    assert len(table) == 1_000


def test_a_value_that_cannot_be_read_leaves_the_last_good_one() -> None:
    table, decoded = loaded(("a", b"1"), ("a", b"2"), ("a", b"bad"), ("b", b"bad"))
    assert table.get("a") == "2@1"
    assert table.get("b") is None
    assert decoded.values == [b"bad", b"2", b"bad"]
    table.put("a", b"bad2", 9)
    assert table["a"] == "2@1"
    assert dict(table) == {"a": "2@1"}


def test_reading_ahead_reads_each_key_once_whoever_asks_for_it() -> None:
    table, decoded = loaded(("a", b"1"), ("b", b"2"), ("c", b"bad"), ("d", b"4"))
    assert table["b"] == "2@1"
    while table.read_next():
        pass
    assert sorted(decoded.values) == [b"1", b"2", b"4", b"bad"]
    assert dict(table) == {"a": "1@0", "b": "2@1", "d": "4@3"}


def test_looking_through_names_what_cannot_be_read_and_keeps_no_value() -> None:
    table, decoded = loaded(("a", b"1"), ("a", b"bad"), ("b", b"bad"), ("c", b"3"))
    table.put("c", b"4", 9)
    while table.look_next():
        pass
    assert decoded.values == [b"4", b"bad", b"1", b"bad"]
    assert len(table) == 2
    decoded.values.clear()
    assert dict(table) == {"a": "1@0", "c": "4@9"}
    assert decoded.values == [b"1"]


def test_a_bad_change_of_a_key_that_nobody_asked_for_leaves_what_was_loaded() -> None:
    table, _ = loaded(("a", b"1"))
    table.put("a", b"bad", 1)
    assert table["a"] == "1@0"


@pytest.mark.parametrize("is_read", [False, True])
def test_a_null_deletes_a_key_whether_it_was_read_or_not(is_read: bool) -> None:
    table, _ = loaded(("a", b"1"), ("b", None), ("c", b"3"))
    if is_read:
        assert table["a"] == "1@0"
    table.put("a", None, 3)
    assert dict(table) == {"c": "3@2"}


def test_what_is_asked_for_while_it_is_loaded_is_never_older_than_what_came() -> None:
    table = Latest(Decoded())
    table.put("a", b"1", 0)
    assert table["a"] == "1@0"
    table.put("a", b"2", 1)
    assert (table["a"], len(table)) == ("2@1", 1)


def test_a_change_of_one_flow_compiles_its_templates_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []

    def counted(template: str, headers: Mapping[str, str], *, omit_empty: bool) -> Program:
        compiled.append(template)
        return compile_template(template, headers, omit_empty=omit_empty)

    def read(key: str, value: bytes, offset: int) -> Flow:
        return parse_record(key, value, version=offset)

    def config(number: int, path: str = "") -> bytes:
        links = {"new": f"https://t{number}.example/{path}", "approve": f"https://t{number}.example/ok"}
        return json.dumps({"flow_id": f"F-{number}", "postbacks": links}).encode()

    monkeypatch.setattr("app.flows.postback.compile_template", counted)
    table = Latest(read)
    for number in range(1_000):
        table.put(f"F-{number}", config(number), number)
    table.loaded()
    assert (len(table), compiled) == (1_000, [])
    assert table["F-8"].version == 8
    compiled.clear()
    table.put("F-7", config(7, "changed"), 1_000)
    assert (table["F-7"].version, table["F-8"].version) == (1_000, 8)
    assert compiled == ["https://t7.example/changed", "https://t7.example/ok"]
