"""What a preview is asked for, as the OpenAPI document tells it: `app.templates.preview.Ask` reads it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from app.leads.events import Scalar


class PreviewAsked(Struct, kw_only=True):
    """A template and what it is rendered with. `event` is a lead event, `now` is in Unix seconds.

    `strict` refuses unknown macros.
    """

    template: str
    event: dict[str, Any] = {}
    now: int | float | None = None
    headers: dict[str, str] = {}
    params: dict[str, Scalar] = {}
    secrets: dict[str, str] = {}
    omit_empty: bool = False
    strict: bool = False
