"""The gate before every handler: from where, who, and may they; and what every answer carries.

A handler says whom it is for by `@for_role(...)`. One that says nothing is for viewers when it only reads
(GET), for editors otherwise. So nothing is open because it was forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import quote

from aiohttp import web
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.kit.logs import logger
from app.log.refusal import shortened
from app.log.writer import ClickHouseFault
from app.web.context import ASKER, WEB, Web
from app.web.origin import is_foreign, is_loopback_name
from app.web.problem import Problem, answer_to
from app.web.who import NOBODY, Asker, Role, Tokens, asker_of, is_csrf_token

TOKENS: web.AppKey[Tokens] = web.AppKey("tokens", Tokens)
COOKIE = "postbacks_session"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
"""Where a session's token is: in the header (htmx), or in this field of a form."""
_STATIC = "/static/"
_ROLE = "_postbacks_role"
_READS = ("GET", "HEAD")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send our own forms as of origin null
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Handles = TypeVar("_Handles", bound=Handler)


def for_role(role: Role) -> Callable[[_Handles], _Handles]:
    """Say whom a handler is for; `nobody` opens it to everybody, also to other sites' pages."""

    def mark(handler: _Handles) -> _Handles:
        setattr(handler, _ROLE, role)
        return handler

    return mark


def needed_for(request: web.Request) -> Role:
    """The role that the request's handler needs."""
    if request.match_info.http_exception is not None or request.path.startswith(_STATIC):
        return "nobody"
    reads: Role = "viewer" if request.method in _READS else "editor"
    role: Role = getattr(request.match_info.handler, _ROLE, reads)
    return role


@web.middleware
async def refusals_told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a handler raises into an answer that a person understands."""
    try:
        return await handler(request)
    except Problem as problem:
        return answer_to(problem, request.path)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return answer_to(Problem(error.status, _said(error), headers=headers), request.path)
    except (ClickHouseFault, ClickHouseError, KafkaError) as error:
        return answer_to(_outage(error), request.path)
    except ConnectionError:
        raise  # whoever asked is gone
    except Exception as error:
        logger().error("a request failed", path=request.path, method=request.method, exc_info=error)
        detail = "a mistake of ours, which is in the worker's log; the request may be tried again"
        return answer_to(Problem(500, detail), request.path)


def _said(error: web.HTTPException) -> str:
    match error.status:
        case 404:
            return "there is nothing at this address"
        case 405:
            allowed = ", ".join(sorted(getattr(error, "allowed_methods", ())))
            return f"this address takes {allowed}"
        case 413:
            return "the body is too large"
    return ""


def _outage(error: Exception) -> Problem:
    text = shortened(str(error))
    if isinstance(error, KafkaError):
        return Problem(503, f"Kafka: {text or type(error).__name__}; try again", headers={"Retry-After": "5"})
    logger().warning("ClickHouse did not answer a request", reason=text)
    if "TIMEOUT_EXCEEDED" in text:
        return Problem(504, "ClickHouse had not found the answer within 5 s: ask for less, by time or flow")
    return Problem(503, f"ClickHouse: {text}; try again", headers={"Retry-After": "5"})


@web.middleware
async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through who may; `asker_in(request)` says to the handler who it is."""
    tokens, needed = request.app[TOKENS], needed_for(request)
    asker = _asker(request, tokens)
    request[ASKER] = asker
    if needed == "nobody":
        return await handler(request)
    if tokens.is_open and not is_loopback_name(request.headers.get("Host")):
        raise Problem(403, "without a token this server answers to localhost and 127.0.0.1 alone")
    if not asker.may(needed):
        _refuse(request, asker, needed)
    if request.method not in _READS and asker.by != "bearer":
        await _refuse_forged(request, asker, tokens)
    if WEB in request.app and (missing := request.app[WEB].waits_for()):
        raise Problem(503, f"it is starting: {', '.join(missing)}", headers={"Retry-After": "1"})
    return await handler(request)


def _asker(request: web.Request, tokens: Tokens) -> Asker:
    web_role: Web | None = request.app.get(WEB)
    now_s = web_role.now_ms() / 1000 if web_role is not None else 0
    cookie = request.cookies.get(COOKIE) if web_role is not None else None
    asker = asker_of(request.headers.get("Authorization"), cookie, tokens, now_s)
    return NOBODY if web_role is not None and asker in web_role.ended else asker


def _refuse(request: web.Request, asker: Asker, needed: Role) -> None:
    """Say no: to a person without a session by the way to the login page."""
    if asker.role != "nobody":
        raise Problem(403, f"this needs an {needed}: POSTBACKS_TOKEN, not POSTBACKS_VIEW_TOKEN")
    wants_page = request.method in _READS and not request.path.startswith(("/api/", "/metrics"))
    if wants_page and WEB in request.app:
        raise web.HTTPSeeOther(f"/login?next={quote(request.path_qs, safe='')}")
    token = "POSTBACKS_TOKEN" if needed == "editor" else "POSTBACKS_TOKEN or POSTBACKS_VIEW_TOKEN"
    raise Problem(401, f"send Authorization: Bearer with {token}", headers={"WWW-Authenticate": "Bearer"})


async def _refuse_forged(request: web.Request, asker: Asker, tokens: Tokens) -> None:
    """Refuse what another site's page may have had a browser send (CSRF)."""
    if is_foreign(request.headers):
        raise Problem(403, "another site's page sent this: it is refused")
    if asker.by != "session":
        return
    given = request.headers.get(CSRF_HEADER, "")
    if not given and request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given = str((await request.post()).get(CSRF_FIELD, ""))
    if not is_csrf_token(given, asker, tokens):
        raise Problem(403, "this page is of a session that is over: load it again")


async def secured(request: web.Request, response: web.StreamResponse) -> None:
    """Add to every answer what browsers need to be told; a handler's own header stays."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if not request.path.startswith(_STATIC):
        response.headers.setdefault("Cache-Control", "no-store")
    if is_https(request):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def is_https(request: web.Request) -> bool:
    """Whether the browser speaks https, to us or to a proxy before us.

    Whoever writes the header by hand only makes their own browser stricter.
    """
    return request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
