"""A form of a page as a browser without script sends it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class _Fields(HTMLParser):
    """Collects what the controls of one form would send, in order."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.pairs: list[tuple[str, str]] = []
        self._inside = False
        self._area: str | None = None
        self._text = ""
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "form":
            self._inside = told.get("id") == self.form
        name = told.get("name") or ""
        if not name or not (self._inside or told.get("form") == self.form):
            if tag == "option" and self._select and "selected" in told:
                self.pairs.append((self._select, told.get("value") or ""))
            return
        if tag == "input" and (told.get("type") != "checkbox" or "checked" in told):
            self.pairs.append((name, told.get("value") or ""))
        elif tag == "textarea":
            self._area, self._text = name, ""
        elif tag == "select":
            self._select = name

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "textarea" and self._area is not None:
            text = self._text.removeprefix("\n")  # HTML drops the first line end
            self.pairs.append((self._area, text.replace("\r\n", "\n").replace("\n", "\r\n")))
            self._area = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._text += data


def fields_of(page: str, form: str = "editor", **changed: Any) -> list[tuple[str, str]]:
    """What the form sends, some fields changed; a `__` in a name stands for a point."""
    fields = _Fields(form)
    fields.feed(page)
    new = {name.replace("__", "."): str(value) for name, value in changed.items()}
    return [pair for pair in fields.pairs if pair[0] not in new] + list(new.items())
