"""Secrets by name, from the environment and from a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.kit.secrets import Secrets


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("fb", "POSTBACKS_SECRET_fb"),
        ("fb", "POSTBACKS_SECRET_FB"),
        ("fb-main.v2", "POSTBACKS_SECRET_FB_MAIN_V2"),
        ("fb-main.v2", "POSTBACKS_SECRET_fb-main.v2"),
        ("FB", "POSTBACKS_SECRET_FB"),
    ],
)
def test_a_secret_is_found_in_the_environment_as_written_or_in_upper_case(name: str, variable: str) -> None:
    assert Secrets({variable: "s3"})(name) == "s3"


def test_the_exact_spelling_is_preferred_to_upper_case() -> None:
    assert Secrets({"POSTBACKS_SECRET_fb": "exact", "POSTBACKS_SECRET_FB": "upper"})("fb") == "exact"


def test_lower_case_does_not_stand_in_for_upper_case() -> None:
    assert Secrets({"POSTBACKS_SECRET_fb": "s3"})("FB") is None


def test_the_setting_of_the_folder_is_no_secret() -> None:
    assert Secrets({"POSTBACKS_SECRETS_DIR": "/run/secrets"})("S_DIR") is None


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_a_blank_secret_is_not_set(blank: str, tmp_path: Path) -> None:
    (tmp_path / "fb").write_text(blank)
    assert Secrets({"POSTBACKS_SECRET_FB": blank}, tmp_path)("fb") is None


def test_a_blank_variable_does_not_hide_the_file(tmp_path: Path) -> None:
    (tmp_path / "fb").write_text("from file")
    assert Secrets({"POSTBACKS_SECRET_FB": ""}, tmp_path)("fb") == "from file"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_line_end_at_the_end_of_a_file_is_not_part_of_the_secret(end: str, tmp_path: Path) -> None:
    (tmp_path / "fb").write_bytes(b" a\nb " + end.encode())
    assert Secrets({}, tmp_path)("fb") == " a\nb "


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    secrets = Secrets({}, tmp_path)
    assert secrets("fb") is None
    (tmp_path / "fb").write_text("one")
    assert secrets("fb") == "one"
    (tmp_path / "fb").write_text("two!")
    assert secrets("fb") == "two!"
    os.utime(tmp_path / "fb", ns=(1, 1))
    (tmp_path / "fb").unlink()
    assert secrets("fb") is None


def test_a_mount_that_kubernetes_swaps_is_read_again(tmp_path: Path) -> None:
    for version, value in (("..v1", "old"), ("..v2", "new")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "fb").write_text(value)
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "fb").symlink_to("..data/fb")
    secrets = Secrets({}, tmp_path)
    assert secrets("fb") == "old"
    (tmp_path / "next").symlink_to("..v2")
    (tmp_path / "next").rename(tmp_path / "..data")
    assert secrets("fb") == "new"


@pytest.mark.parametrize("name", ["..", ".", "..data", "../outside", "a/b", "", "a\0b", "folder"])
def test_a_name_never_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    inside = tmp_path / "mount"
    inside.mkdir()
    (inside / "folder").mkdir()
    (inside / "..data").write_text("x")
    assert Secrets({}, inside)(name) is None


def test_a_file_that_is_no_text_or_too_large_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * (8 * 1024 + 1))
    secrets = Secrets({}, tmp_path)
    assert secrets("binary") is None
    assert secrets("large") is None


def test_a_pipe_in_the_folder_does_not_hold_the_worker(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fb")
    assert Secrets({}, tmp_path)("fb") is None


def test_the_known_values_are_those_handed_out_old_ones_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    secrets = Secrets({"POSTBACKS_SECRET_A": "a1", "POSTBACKS_SECRET_B": "b1"}, tmp_path)
    assert secrets.known() == frozenset()
    secrets("a")
    secrets("file")
    (tmp_path / "file").write_text("two!")
    secrets("file")
    assert secrets.known() == {"a1", "one", "two!"}


def test_a_secret_that_changes_for_ever_is_not_remembered_for_ever(tmp_path: Path) -> None:
    secrets = Secrets({"POSTBACKS_SECRET_A": "in use"}, tmp_path)
    for number in range(1_100):
        (tmp_path / "file").write_text(f"value {number}" + "!" * (number % 7))
        assert secrets("a") == "in use"
        assert secrets("file") == f"value {number}" + "!" * (number % 7)
    assert len(secrets.known()) == 1_000
    assert {"in use", "value 1099"} <= secrets.known()
    assert "value 7" not in secrets.known()


def test_no_value_shows_in_a_repr() -> None:
    secrets = Secrets({"POSTBACKS_SECRET_A": "hush"})
    secrets("a")
    assert "hush" not in repr(secrets)
