"""Pages from templates. What is filled in is a stranger's: it is escaped, and what is unseen made visible."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup, escape

from app.web.context import asker_in, web_of
from app.web.gate import CSRF_FIELD, CSRF_HEADER
from app.web.numbers import count_of, day, ms, number, time_of_day
from app.web.texts import say
from app.web.unseen import visible
from app.web.who import csrf_token

STATIC = Path(str(resources.files("app.web"))) / "static"


def set_up(application: web.Application) -> None:
    """Make templates and static files known to an application."""
    environment = aiohttp_jinja2.setup(
        application,
        loader=jinja2.PackageLoader("app.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[],
    )
    environment.globals.update(say=say, static=_static, number=number, ms=ms, count_of=count_of)
    environment.globals.update(day=day, time_of_day=time_of_day, whole=_whole)
    environment.filters["exact"] = escape
    application.router.add_static("/static/", STATIC)


def page(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.Response:
    """A page, or a part of one, as an answer."""
    asker, tokens = asker_in(request), web_of(request).tokens
    frame = {
        "path": request.path,
        "asker": asker,
        "csrf": csrf_token(asker, tokens),
        "csrf_field": CSRF_FIELD,
        "csrf_header": CSRF_HEADER,
    }
    return aiohttp_jinja2.render_template(template, request, {**frame, **context}, status=status)


def part(request: web.Request, template: str, **context: Any) -> str:
    """A part of a page as text."""
    return aiohttp_jinja2.render_string(template, request, context)


def is_part(request: web.Request) -> bool:
    """Whether htmx asks, which wants a part alone."""
    return request.headers.get("HX-Request") == "true"


def _seen(value: Any) -> Any:
    """What a template prints: markup of its own macros as it is, all else made visible (and then escaped)."""
    return value if isinstance(value, Markup) else visible(str(value))


def _whole(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@cache
def _static(name: str) -> str:
    """The address of a static file: another one whenever the file is another."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


Say = Callable[..., str]
