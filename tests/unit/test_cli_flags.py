"""Every setting is a flag before the command, but for those that a process list would give away."""

from __future__ import annotations

import pytest

from app.cli.flags import FLAGS, OPEN_FLAGS, environment_of, flag_of
from app.settings import load, names


def test_every_setting_has_its_flag() -> None:
    assert set(FLAGS.values()) == set(names())
    assert FLAGS["--kafka"] == "KAFKA"
    assert FLAGS["--log-ttl-days"] == "LOG_TTL_DAYS"
    assert all(flag_of(name) == flag for flag, name in FLAGS.items())


def test_a_flag_stands_for_its_variable() -> None:
    given = environment_of(
        {"kafka": "k:9092", "data_dir": "/d", "prefix": None, "clickhouse": "http://me:@h/d"}
    )
    assert given == {
        "POSTBACKS_KAFKA": "k:9092",
        "POSTBACKS_DATA_DIR": "/d",
        "POSTBACKS_CLICKHOUSE": "http://me:@h/d",
    }
    assert load({"POSTBACKS_WORKER": "w", **given}).kafka == "k:9092"


@pytest.mark.parametrize("name", sorted(set(FLAGS) - set(OPEN_FLAGS)))
def test_what_is_a_secret_is_refused_as_a_flag(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        environment_of({FLAGS[name].lower(): "sesame"})
    told = capsys.readouterr().err
    assert (ended.value.code, told.count("\n"), "sesame" in told) == (2, 1, False)
    assert f"POSTBACKS_{FLAGS[name]}" in told


def test_the_secrets_are_the_passwords_and_tokens() -> None:
    assert {"--kafka-password", "--view-token"} <= set(FLAGS) - set(OPEN_FLAGS)
    assert {"--kafka", "--clickhouse", "--kafka-key-file", "--secrets-dir", "--worker"} <= set(OPEN_FLAGS)


@pytest.mark.parametrize("value", ["http://me:sesame@ch:8123/db", "http://me:sesame@[ch/db"])
def test_a_password_inside_of_a_value_is_refused_and_not_repeated(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        environment_of({"clickhouse": value})
    told = capsys.readouterr().err
    assert "POSTBACKS_CLICKHOUSE" in told
    assert "sesame" not in told
