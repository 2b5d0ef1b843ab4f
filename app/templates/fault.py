"""What a template that cannot work is answered with: the part, the place and the reason."""

from __future__ import annotations

from typing import Literal

Part = Literal["link", "form", "json", "header"]


class TemplateFault(Exception):
    """A template, or a rendering of it, is refused.

    `part` says in which part of the template, `at` is the place in code points from 0 within the whole
    template (None where there is no one place, and in headers), `reason` is a sentence for its author.
    """

    def __init__(self, part: Part, at: int | None, reason: str) -> None:
        super().__init__(reason)
        self.part: Part = part
        self.at = at
        self.reason = reason
