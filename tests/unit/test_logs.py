"""No line of the log holds what is to be hidden, whoever wrote it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from app.kit.logs import configure, hide_in_logs, logger

_SECRET = 'S3cr€t/"value\\'


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    hide_in_logs(tuple)
    root.handlers[:] = handlers
    root.setLevel(level)


def _lines(log_format: str, capsys: pytest.CaptureFixture[str]) -> str:
    configure(log_format, "info")
    hide_in_logs(lambda: [_SECRET, "in"])
    logger().info("an event in words", reason=f"said {_SECRET}!", facts={"deep": [_SECRET]})
    logging.getLogger("aiokafka.conn").error("login failed: %s", _SECRET)
    try:
        raise ValueError(f"cannot use {_SECRET}")
    except ValueError as error:
        logger().error("a role ended", exc_info=error)
        logging.getLogger("faust").error("crashed", exc_info=error)
    return capsys.readouterr().err


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_is_in_no_line_and_no_traceback(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = _lines(log_format, capsys)
    assert "S3cr" not in told
    assert told.count("•••") >= 5
    assert "Traceback" in told
    assert "an event in words" in told  # what is too short to be a secret hides no words


def test_a_masked_line_is_json_still(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in _lines("json", capsys).splitlines()]
    assert lines[0]["reason"] == "said •••!"
    assert lines[0]["facts"] == {"deep": ["•••"]}
