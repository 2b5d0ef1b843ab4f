"""A role's app before Faust has started it."""

from __future__ import annotations

from pathlib import Path

from app.settings import load
from app.stream.faust_app import new_app


async def test_an_app_holds_nothing_before_it_is_started(tmp_path: Path) -> None:
    settings = load({"POSTBACKS_KAFKA": "127.0.0.1:1", "POSTBACKS_WORKER": "w"})
    app = new_app(settings, "join", tmp_path)
    assert app.held() == {}
    assert not app.is_assigned
