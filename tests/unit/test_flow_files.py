"""What is seen of a folder of flow files."""

from __future__ import annotations

import os
from pathlib import Path

from app.embedded.folder import contents, stamps


def test_only_json_files_that_are_not_hidden_are_seen(tmp_path: Path) -> None:
    for name in ("a.json", ".b.json", "c.json~", "d.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "e.json").symlink_to(tmp_path / "a.json")
    (tmp_path / "f.json").symlink_to(tmp_path / "nowhere")
    assert set(stamps(tmp_path) or ()) == {"a.json", "e.json"}
    assert stamps(tmp_path / "nowhere") is None


def test_a_file_that_is_written_anew_has_another_stamp(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("one")
    before = stamps(tmp_path)
    (tmp_path / "new").write_text("two")
    os.utime(tmp_path / "new", ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    (tmp_path / "new").replace(file)
    assert stamps(tmp_path) != before


def test_a_file_that_cannot_be_read_says_why_and_one_that_has_gone_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    (tmp_path / "b.json").mkdir()
    found = contents(tmp_path, ["a.json", "b.json", "c.json"])
    assert found == {"a.json": b"{}", "b.json": "it cannot be read: Is a directory"}
