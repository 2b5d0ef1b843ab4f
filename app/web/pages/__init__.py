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

from app.web.context import WEB
from app.web.lag import Lags
from app.web.pages.downloads import as_csv, as_json_lines
from app.web.pages.flow import checks, delete, edit, flow, new_flow
from app.web.pages.flows import flows
from app.web.pages.history import bring_back, history
from app.web.pages.lead import lead
from app.web.pages.links import FLOWS, LOG, NEW_FLOW
from app.web.pages.live import LIVE, end_all, live
from app.web.pages.outgoing import outgoing
from app.web.pages.overview import LAGS, overview
from app.web.pages.parked import discard, park, parked, release
from app.web.pages.show import send_again, show
from app.web.render import set_up

_ID = "{id:[^/]+}"  # by itself {id} would match no braces


def routes(application: web.Application) -> None:
    """Add the pages."""
    set_up(application)
    application[LIVE] = set()
    application[LAGS] = Lags(application[WEB].settings)
    application.on_shutdown.append(end_all)
    router = application.router
    router.add_get("/", overview)
    router.add_get(LOG, outgoing)
    router.add_get(f"{LOG}.csv", as_csv)
    router.add_get(f"{LOG}.jsonl", as_json_lines)
    router.add_get(f"{LOG}/live", live)
    router.add_get(f"{LOG}/{_ID}", show)
    router.add_post(f"{LOG}/{_ID}/send-again", send_again)
    router.add_get(f"/leads/{_ID}", lead)
    _flow_routes(application)


def _flow_routes(application: web.Application) -> None:
    router = application.router
    one = f"{FLOWS}/{_ID}"
    postback = f"{one}/parked/{_ID.replace('id', 'postback')}"
    router.add_get(FLOWS, flows)
    router.add_get(NEW_FLOW, new_flow)
    for address in (NEW_FLOW, one):
        router.add_post(address, edit)
        router.add_post(f"{address}/checks", checks)
    router.add_get(one, flow)
    router.add_post(f"{one}/delete", delete)
    router.add_get(f"{one}/history", history)
    router.add_post(f"{one}/bring-back", bring_back)
    router.add_get(postback, parked)
    for name, work in (("park", park), ("release", release), ("discard", discard)):
        router.add_post(f"{postback}/{name}", work)
