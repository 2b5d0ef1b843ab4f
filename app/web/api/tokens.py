"""Configs as viewers see them: tokens that people pasted into links and headers are masked. Pure."""

from __future__ import annotations

from typing import Any

from app.flows.tokens import is_token_header, literal_tokens, mask_link
from app.kit.hiding import MASK
from app.templates.fault import TemplateFault


def without_tokens(config: Any) -> Any:
    """A config's JSON value, both forms, with its literal tokens as `•••`."""
    if isinstance(config, str):
        return masked_template(config)
    if isinstance(config, list):
        return [without_tokens(part) for part in config]
    if not isinstance(config, dict):
        return config
    return {
        key: _headers(part) if key == "headers" and isinstance(part, dict) else without_tokens(part)
        for key, part in config.items()
    }


def masked_template(template: str) -> str:
    """A template with its literal tokens masked; all of it where one is written in another way."""
    try:
        found = literal_tokens(template)
    except TemplateFault:  # of a broken flow, or no template at all
        return mask_link(template)
    for at, token in reversed(found):
        if not template.startswith(token, at):
            return MASK
        template = template[:at] + MASK + template[at + len(token) :]
    return template


def _headers(headers: dict[str, Any]) -> dict[str, Any]:
    return {
        name: MASK if is_token_header(name) and isinstance(value, str) and "{" not in value else value
        for name, value in headers.items()
    }
