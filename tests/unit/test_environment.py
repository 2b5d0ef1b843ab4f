"""Where settings come from: what is told wins over a `dev` that runs, and one that is gone is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.kit import home
from app.kit.environment import environment, gone_dev
from app.kit.process import StartFault
from app.kit.reader import SettingsFault
from app.settings import doubts

_TOLD = {
    "POSTBACKS_KAFKA": "127.0.0.1:7001",
    "POSTBACKS_CLICKHOUSE": "http://default:@127.0.0.1:7002/postbacks",
    "POSTBACKS_PARTITIONS": "4",
    "POSTBACKS_DATA_DIR": "/srv/o # 2/.postbacks/dev.data",
}


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default data directory, in a working directory of its own and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("POSTBACKS_")]:
        monkeypatch.delenv(name)
    return Path(".postbacks")


@pytest.fixture
def dev(data_dir: Path) -> Iterator[None]:
    """A `dev` that runs there."""
    with home.hold(data_dir):
        home.write(data_dir, _TOLD)
        yield


def _ours() -> dict[str, str]:
    return {name: value for name, value in environment().items() if name.startswith("POSTBACKS_")}


@pytest.mark.usefixtures("dev")
def test_a_dev_that_runs_is_found() -> None:
    assert _ours() == _TOLD
    assert gone_dev(environment()) == ""


@pytest.mark.usefixtures("dev")
def test_what_is_told_wins_but_not_where_the_tables_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTBACKS_PARTITIONS", "8")
    monkeypatch.setenv("POSTBACKS_DATA_DIR", ".postbacks")
    monkeypatch.setenv("POSTBACKS_CLICKHOUSE", " ")
    assert _ours() == _TOLD | {"POSTBACKS_PARTITIONS": "8"}


@pytest.mark.usefixtures("dev")
@pytest.mark.parametrize("name", ["POSTBACKS_KAFKA", "POSTBACKS_CLICKHOUSE"])
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_where_one_address_is_told_nothing_of_a_dev_is_used(
    monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    if place == ".env":
        Path(".env").write_text(f"{name}=elsewhere\n")
    else:
        monkeypatch.setenv(name, "elsewhere")
    assert _ours() == {name: "elsewhere"}
    assert gone_dev(environment()) == ""


@pytest.mark.usefixtures("dev")
def test_another_data_directory_is_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTBACKS_DATA_DIR", "elsewhere")
    assert _ours() == {"POSTBACKS_DATA_DIR": "elsewhere"}


def test_a_dev_that_is_gone_is_named_and_not_used(data_dir: Path) -> None:
    with home.hold(data_dir):
        home.write(data_dir, _TOLD)
    assert _ours() == {}
    [doubt] = doubts(environment())
    assert str(data_dir / "dev.env") in doubt
    assert "start it again" in doubt
    with home.hold(data_dir):
        assert _ours() == {}, "one that starts has told nothing yet"
    assert doubts(environment()) == []


def test_one_dev_holds_a_data_directory(data_dir: Path) -> None:
    with home.hold(data_dir), pytest.raises(StartFault, match=str(os.getpid())), home.hold(data_dir):
        pass
    with home.hold(data_dir):
        pass


@pytest.mark.usefixtures("dev")
def test_a_file_of_a_dev_that_cannot_be_read_is_named(data_dir: Path) -> None:
    (data_dir / "dev.env").write_bytes(b"\xff")
    with pytest.raises(SettingsFault, match=r"dev\.env"):
        environment()
