"""`postbacks import` without a flow: what it prints, and wrong use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.commands import app

LINK = "https://ad.example/pb?c={subid}&p={revenue}&k={profit}&n={external_id}"


def run(*words: str, given: str = "") -> Result:
    return CliRunner().invoke(app, ["import", *words], input=given)


def test_a_link_is_printed_with_a_line_for_each_change() -> None:
    done = run(LINK)
    assert done.exit_code == 0
    first, read, *changes = done.stdout.splitlines()
    assert first == "https://ad.example/pb?c={click}&p={price}&k={tag.profit}&n={tag.external_id}"
    assert read == "  read as Keitaro's: {subid}, {revenue}, {profit}"
    assert [line[:2] for line in changes] == ["  ", "  ", "! ", "? "]
    assert changes[1] == "  {revenue} → {price}: what is paid for the conversion"


def test_links_come_from_a_file_and_from_standard_input_too(tmp_path: Path) -> None:
    file = tmp_path / "links.txt"
    file.write_text(f"{LINK}\n\n https://b.example/?s={{cnv_status}} \n")
    for done in (run("--file", str(file), "--json"), run("-", "--json", given=file.read_text())):
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["tool"] for line in lines] == ["keitaro", "binom"]
        assert lines[1]["link"] == "https://b.example/?s={cnv_status}"
        assert [change["kind"] for change in lines[0]["changes"]] == [
            "changed",
            "changed",
            "missing",
            "check",
        ]


def test_whose_it_is_may_be_told() -> None:
    done = run("https://a.example/?c={clickid}&s={status}", "--from", "affise")
    assert done.stdout.startswith("https://a.example/?c={click}&s={status|map:new=2,")
    assert "it may as well be of" in run("https://a.example/?c={clickid}&s={status}").stdout


def test_a_link_that_cannot_be_used_ends_with_status_2_and_why() -> None:
    done = run("ad.example/pb?c={subid}", "--from", "keitaro")
    assert done.exit_code == 2
    assert "! it cannot be used as it is: {click} may not stand before the host" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "which link?"),
        ((LINK, "--from", "tracker"), "--from 'tracker' is unknown: choose from keitaro, altercpa,"),
        ((LINK, "--on", "approve"), "go with --flow"),
        ((LINK, "--yes"), "go with --flow"),
        ((LINK, "--flow", "F-7"), "--on approve"),
        (("--file", "/nowhere/links.txt"), "/nowhere/links.txt: No such file"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
