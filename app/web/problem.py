"""How a refusal is told: problem+json (RFC 9457) under /api, a page for people elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from http import HTTPStatus

import msgspec
from aiohttp import web

CONTENT_TYPE = "application/problem+json"


class Wrong(msgspec.Struct, omit_defaults=True):
    """One thing that is wrong: where it stands (a field's path, "" is the whole), why, and of which item.

    `at` is the place in a template, in code points.
    """

    path: str
    reason: str
    index: int | None = None
    at: int | None = None


class ProblemBody(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The body of a refusal (RFC 9457): `detail` says it to a person, `errors` name the places."""

    title: str
    status: int
    detail: str = ""
    errors: list[Wrong] = []


class Problem(Exception):
    """A request is refused, with this status; raised by any handler, turned into an answer in one place."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Wrong] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})


def answer_to(problem: Problem, path: str) -> web.Response:
    """The answer that tells a problem to whoever asked for `path`."""
    title = title_of(problem.status)
    if path.startswith("/api/"):
        body = msgspec.json.encode(
            ProblemBody(title=title, status=problem.status, detail=problem.detail, errors=[*problem.errors])
        )
        return web.Response(
            status=problem.status, body=body, content_type=CONTENT_TYPE, headers=problem.headers
        )
    if path.startswith(("/in/", "/metrics")):
        return web.Response(
            status=problem.status, text=f"{problem.detail or title}\n", headers=problem.headers
        )
    text = document(title, f"<h1>{escape(title)}</h1>\n<p>{escape(problem.detail)}</p>")
    return web.Response(status=problem.status, text=text, content_type="text/html", headers=problem.headers)


def title_of(status: int) -> str:
    """What HTTP calls a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def document(title: str, body: str) -> str:
    """A whole page around `body`, which is HTML; `title` is text."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} – Postbacks</title>\n"
        '<link rel="icon" href="/static/icon.svg">\n'
        '<link rel="stylesheet" href="/static/postbacks.css">\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
