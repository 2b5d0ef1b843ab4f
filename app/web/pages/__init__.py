"""The pages that people read. `routes` is called once, by `app.web.server`.

A handler is `async def page(request) -> web.StreamResponse`. What it needs:

- `web_of(request)` (`app.web.context`): settings, `producer`, `flows`, `states`, `secrets`, `now_ms`; and
  `client = await web_of(request).clickhouse()` for the functions of `app.queries`, whose questions ClickHouse
  ends after 5 s. Errors of ClickHouse and Kafka may be raised: the gate tells them.
- `asker_in(request)`: who asks. The gate has let through viewers for GET, editors for all else, unless the
  handler says otherwise by `@for_role("viewer")` (`app.web.gate`).
- `csrf_token(asker, web.tokens)` (`app.web.who`) goes into each form as the hidden field `CSRF_FIELD`, or
  into the header `CSRF_HEADER` of htmx; the gate checks it.
- `raise Problem(404, "why")` (`app.web.problem`) ends with a page that says so.

Files of `/static/` are open to everybody, all else is not. No script, style or handler may stand in the HTML:
the Content-Security-Policy allows files of ours alone.
"""

from __future__ import annotations

from aiohttp import web


def routes(application: web.Application) -> None:
    """Add the pages."""
