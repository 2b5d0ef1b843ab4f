"""Log in by pasting a token, log out. A session is a cookie that no script reads; nothing of it is stored."""

from __future__ import annotations

import secrets
from html import escape
from math import ceil

from aiohttp import web

from app.web.context import asker_in, web_of
from app.web.gate import COOKIE, for_role, is_https
from app.web.origin import is_foreign
from app.web.problem import Problem, document
from app.web.who import SESSION_S, new_session

_HOME = "/"


@for_role("nobody")
async def login_page(request: web.Request) -> web.Response:
    """Show the login page; who is logged in already goes on."""
    after = _after(request.query.get("next", ""))
    if asker_in(request).may("viewer"):
        raise web.HTTPSeeOther(after)
    return _page(after)


@for_role("nobody")
async def login(request: web.Request) -> web.Response:
    """Take a token and begin a session. 429 after too many wrong ones, from one address or in total."""
    web_role, form = web_of(request), await request.post()
    after = _after(str(form.get("next", "")))
    now_s, address = web_role.now_ms() / 1000, request.remote or ""
    if is_foreign(request.headers):
        raise Problem(403, "another site's page sent this: it is refused")
    if wait_s := web_role.limiter.wait_s(address, now_s):
        detail = f"too many wrong tokens: try again in {ceil(wait_s / 60)} minutes"
        raise Problem(429, detail, headers={"Retry-After": str(ceil(wait_s))})
    role = web_role.tokens.role_of(str(form.get("token", "")).strip())
    if role == "nobody":
        web_role.limiter.failed(address, now_s)
        return _page(after, "This is no token of this installation.", status=401)
    response = web.Response(status=303, headers={"Location": after})
    cookie = new_session(role, web_role.tokens, now_s, secrets.token_hex(16))
    response.set_cookie(
        COOKIE, cookie, max_age=SESSION_S, httponly=True, samesite="Lax", secure=is_https(request), path="/"
    )
    return response


@for_role("viewer")
async def logout(request: web.Request) -> web.Response:
    """End the session: its cookie, and a copy of it, are nobody's here from now on."""
    web_role = web_of(request)
    web_role.ended.end(asker_in(request), web_role.now_ms() / 1000)
    response = web.Response(status=303, headers={"Location": "/login"})
    response.del_cookie(COOKIE, path="/")
    return response


def _after(path: str) -> str:
    """Where to go after the login: a path of ours and nothing else, whatever was asked for."""
    sound = path.isascii() and path.isprintable() and not set(path) & set(' \\"<>')
    return path if sound and path.startswith("/") and not path.startswith("//") else _HOME


def _page(after: str, fault: str = "", status: int = 200) -> web.Response:
    said = f'<p role="alert">{escape(fault)}</p>\n' if fault else ""
    body = (
        "<h1>Log in</h1>\n"
        f"{said}"
        '<form method="post" action="/login">\n'
        f'<input type="hidden" name="next" value="{escape(after)}">\n'
        '<p><label for="token">Token</label>\n'
        '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>'
        "</p>\n"
        "<p><small>POSTBACKS_TOKEN edits, POSTBACKS_VIEW_TOKEN views.</small></p>\n"
        '<p><button type="submit">Log in</button></p>\n'
        "</form>"
    )
    return web.Response(status=status, text=document("Log in", body), content_type="text/html")
