"""The flow editor: a form or JSON, checked and previewed as it is typed, saved unless somebody was first."""

from __future__ import annotations

from typing import Any, NamedTuple

from aiohttp import web
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.flows.config import FlowFault, parse
from app.flows.decide import Fire
from app.flows.layout import written
from app.flows.written import EVENTS
from app.imports.tool import tools
from app.join.trial import trial_request
from app.kit.clock import day_of
from app.log.writer import ClickHouseFault
from app.messages.record import LogRecord
from app.outbound.trial import send_once
from app.queries.filters import Filters
from app.queries.leads import events_of_lead
from app.queries.log import list_rows
from app.queries.story import tell
from app.templates.fault import TemplateFault
from app.templates.help import FILTERS, MACROS, PREFIXES
from app.web.api.tokens import without_tokens
from app.web.context import Web, asker_in, web_of
from app.web.flows.checks import Checks, Note, check, check_text
from app.web.flows.difference import Line, difference
from app.web.flows.draft import NEW, Draft, Tab, opened, sent, value_of
from app.web.flows.form import boxes_of
from app.web.flows.gallery import PRESET, Chosen, by_kind, chosen
from app.web.flows.importing import UNDER, inserted, pasted
from app.web.flows.merge import GONE, merged
from app.web.flows.sample import Sample, change_for, sample_lead, sample_of
from app.web.names import parked_by_flow
from app.web.pages.flows import counts_of, waiting_of
from app.web.pages.links import FLOWS, LOG, NEW_FLOW, flow_link, parked_link
from app.web.personal import Personal
from app.web.pretty import pretty
from app.web.problem import Problem
from app.web.query import address
from app.web.render import is_part, page
from app.web.saving import Conflict, Expected, delete_flow, save_flow
from app.web.texts import say

_LATEST_ROWS = 60
_LATEST_LEADS = 10


class Said(NamedTuple):
    """What is told above the editor: `kind` is `note` or `fault`."""

    kind: str
    text: str


class Trial(NamedTuple):
    """What came of a test: its record, or why there is none."""

    record: LogRecord | None
    on: tuple[str, ...] = ()
    fault: str = ""


class Diffs(NamedTuple):
    """What a conflict shows: what the other changed, and what the merged draft changes of that."""

    theirs: list[Line]
    yours: list[Line]
    clashes: list[str]


async def flow(request: web.Request) -> web.Response:
    """A flow as it is."""
    flow_id = request.match_info["id"]
    stored = web_of(request).flows.get(flow_id)
    if stored is None:
        raise Problem(404, say("flow.none", id=flow_id))
    text = stored.config.decode("utf-8", "replace")
    if not asker_in(request).may("editor"):
        text = written(without_tokens(value_of(text)), text)
    tab: Tab = "json" if request.query.get("as") == "json" else "form"
    draft = opened(flow_id, stored.version, text, tab, request.query.get("lead", "").strip())
    said = [Said("note", say(f"flow.done.{request.query['done']}"))] if _is_done(request) else []
    return await _editor(request, draft, said=said)


def _is_done(request: web.Request) -> bool:
    return request.query.get("done") in ("saved", "same", "brought")


async def new_flow(request: web.Request) -> web.Response:
    """An editor for a flow that is not there yet; for editors."""
    if not asker_in(request).may("editor"):
        raise Problem(403, say("flow.editors"))
    return await _editor(request, Draft("", None, NEW, NEW))


async def edit(request: web.Request) -> web.Response:
    """What a button asks for.

    `do` is save, check, form, json, translate, insert, add-preset, or test: or preset: and a key.
    """
    draft, pairs = await _draft(request)
    do = request.query.get("do") or dict(pairs).get("do", "save")
    if do in ("form", "json"):
        return await _switched(request, draft, "form" if do == "form" else "json")
    if do.startswith("test:"):
        return await _tested(request, draft, do.removeprefix("test:"))
    if do.startswith("preset:"):
        return await _preset(request, draft, do.removeprefix("preset:"))
    if do == "add-preset":
        return await _preset_added(request, draft)
    if do == "translate":
        return await _translated(request, draft)
    if do == "insert":
        return await _inserted(request, draft)
    if do == "check":
        return await _editor(request, draft)
    return await _saved(request, draft)


async def checks(request: web.Request) -> web.Response:
    """The part of the page that says what is wrong and what would be sent."""
    draft, _ = await _draft(request)
    return page(request, "_flow_checks.html", **await _checked(request, draft))


async def delete(request: web.Request) -> web.Response:
    """Delete a flow, unless somebody changed it since the page was shown."""
    flow_id, form = request.match_info["id"], await request.post()
    version = str(form.get("version", ""))
    expected = Expected(frozenset({int(version)} if version.isdecimal() else {-1}))
    try:
        await delete_flow(web_of(request), flow_id, expected)
    except Conflict as conflict:
        raise Problem(409, say("flow.not_deleted", why=conflict)) from None
    raise web.HTTPSeeOther(FLOWS)


async def _draft(request: web.Request) -> tuple[Draft, list[tuple[str, str]]]:
    flow_id = request.match_info.get("id", "")
    stored = web_of(request).flows.get(flow_id)
    form = await request.post()
    pairs = [(name, text) for name, text in form.items() if isinstance(text, str)]
    now = {} if stored is None else {stored.version: stored.config.decode("utf-8", "replace")}
    return sent(flow_id, pairs, now), pairs


async def _switched(request: web.Request, draft: Draft, tab: Tab) -> web.Response:
    made = draft.made
    if made is not None and made.wrong:
        return await _editor(request, draft, status=422, said=[Said("fault", say("flow.mend_first"))])
    changed = draft.on(tab)
    if tab == "form" and changed.form is None:
        return await _editor(request, draft.on("json"), said=[Said("note", say("flow.no_form"))])
    return await _editor(request, changed)


async def _saved(request: web.Request, draft: Draft) -> web.Response:
    web_role, text = web_of(request), draft.text
    made = draft.made
    if made is not None and made.wrong:
        return await _editor(request, draft, status=422, said=[Said("fault", say("flow.not_saved"))])
    if (
        draft.version is not None
        and draft.version == _version(web_role, draft.flow_id)
        and text == draft.base
    ):
        raise web.HTTPSeeOther(f"{flow_link(draft.flow_id)}?done=same")
    expected = Expected(frozenset() if draft.version is None else frozenset({draft.version}))
    config = text.strip().encode("utf-8", "surrogatepass")
    try:
        flow_id = draft.flow_id or parse(config).flow_id
        await save_flow(web_role, flow_id, config, expected)
    except FlowFault:
        return await _editor(request, draft, status=422, said=[Said("fault", say("flow.not_saved"))])
    except Conflict:
        return await _conflict(request, draft, draft.flow_id or parse(config).flow_id)
    raise web.HTTPSeeOther(f"{flow_link(flow_id)}?done=saved")


def _version(web_role: Web, flow_id: str) -> int | None:
    stored = web_role.flows.get(flow_id)
    return None if stored is None else stored.version


async def _conflict(request: web.Request, draft: Draft, flow_id: str) -> web.Response:
    """The edit on top of what somebody else saved; nothing is saved until that was looked at."""
    stored = web_of(request).flows.get(flow_id)
    if draft.version is None and stored is not None:
        said = Said("fault", say("flow.taken", id=flow_id))
        return await _editor(request, draft, status=409, said=[said])
    if stored is None:
        begun = Draft(flow_id, None, NEW, draft.text, draft.tab, {}, draft.lead)
        return await _editor(request, begun, status=409, said=[Said("fault", say("flow.gone"))])
    theirs = stored.config.decode("utf-8", "replace")
    value, clashes = merged(value_of(draft.base), value_of(theirs), value_of(draft.text))
    text = written(value, draft.text) if not isinstance(value, str) else value
    told = [
        say("flow.clash", place=one.place, theirs=say("none") if one.theirs is GONE else one.theirs)
        for one in clashes
    ]
    diffs = Diffs(difference(draft.base, theirs), difference(theirs, text), told)
    on_top = Draft(flow_id, stored.version, theirs, text, draft.tab, {}, draft.lead)
    if on_top.form is None:
        on_top.tab = "json"
    said = Said("fault", say("flow.conflict", theirs=stored.version, yours=draft.version))
    return await _editor(request, on_top, status=409, said=[said], diffs=diffs)


async def _preset(request: web.Request, draft: Draft, preset_id: str) -> web.Response:
    draft.given = {**draft.given, PRESET: preset_id}
    if is_part(request):
        return page(request, "_flow_preset.html", chosen=_chosen(request, draft))
    return await _editor(request, draft)


def _chosen(request: web.Request, draft: Draft) -> Chosen | None:
    web_role = web_of(request)
    return chosen(draft.given, web_role.secrets, day_of(web_role.now_ms()))


async def _preset_added(request: web.Request, draft: Draft) -> web.Response:
    """The editor with the chosen preset in the draft; nothing is saved."""
    made, preset = draft.made, _chosen(request, draft)
    if preset is None or made is None or made.wrong:
        return await _editor(request, draft, status=422, said=[Said("fault", say("flow.mend_first"))])
    if (marked := preset.with_faults()).wrong:
        said = Said("fault", say("gallery.not_inserted"))
        return await _editor(request, draft, status=422, said=[said], preset=marked)
    text = written(preset.added_to(made.value).config, draft.draft)
    filled = Draft(draft.flow_id, draft.version, draft.base, text, "form", {}, draft.lead)
    said = Said("note", say("gallery.inserted", title=preset.preset.title))
    return await _editor(request, filled, said=[said])


async def _translated(request: web.Request, draft: Draft) -> web.Response:
    if is_part(request):
        return page(request, "_flow_import.html", pasted=pasted(draft.given))
    return await _editor(request, draft)


async def _inserted(request: web.Request, draft: Draft) -> web.Response:
    """The editor with the pasted link in the field of its event; nothing is saved."""
    given = inserted(draft.given)
    if given is None:
        return await _editor(request, draft, status=422, said=[Said("fault", say("flow.import_taken"))])
    draft.given = given
    said = Said("note", say("flow.import_inserted", event=given[UNDER]))
    return await _editor(request, draft, said=[said])


async def _tested(request: web.Request, draft: Draft, key: str) -> web.Response:
    trial = await _tried(request, draft, key)
    if is_part(request):
        return page(request, "_flow_test.html", trial=trial, pretty=pretty)
    return await _editor(request, draft, trial=trial)


async def _tried(request: web.Request, draft: Draft, key: str) -> Trial:
    """Really send what a postback of the draft makes of the chosen lead, once, as `postbacks test-send`."""
    web_role = web_of(request)
    if web_role.settings.sending == "dry-run":
        return Trial(None, fault=say("flow.dry_run"))
    sample, _ = await _sample(request, draft)
    checked = _look(web_role, draft, sample)
    found = next((one for one in checked.previews if one.key == key), None)
    if checked.flow is None or found is None:
        return Trial(None, fault=say("flow.mend_first"))
    postback = next(one for one in checked.flow.postbacks if one.id == found.id)
    event, change = change_for(sample, postback, checked.flow.flow_id)
    fire = Fire(checked.flow, postback, event)
    try:
        made = trial_request(fire, change, web_role.settings, web_role.secrets, web_role.now_ms())
    except TemplateFault as fault:
        return Trial(None, fault=fault.reason)
    return Trial(await send_once(web_role.settings, web_role.secrets, made), postback.on)


def _look(web_role: Web, draft: Draft, sample: Sample) -> Checks:
    made, now_ms = draft.made, web_role.now_ms()
    if made is not None:
        return check(made, web_role.secrets, sample, now_ms)
    return check_text(draft.text, web_role.secrets, sample, now_ms)


async def _sample(request: web.Request, draft: Draft) -> tuple[Sample, str]:
    """Whom the previews are for, and why it is not who was asked for."""
    web_role = web_of(request)
    standing_in = sample_lead(draft.flow_id or "F-1", web_role.now_ms())
    if not draft.lead:
        return standing_in, ""
    try:
        client = await web_role.clickhouse()
        events = await events_of_lead(client, draft.lead)
    except (ClickHouseError, ClickHouseFault):
        return standing_in, say("flow.lead_unasked")
    settings = web_role.settings
    story = tell(events, late_s=settings.late_s, ttl_ms=settings.lead_ttl_ms)
    if not asker_in(request).may("editor"):
        story = Personal({draft.lead: events}).story(story)
    sample = sample_of(story)
    return (standing_in, say("flow.lead_unknown", id=draft.lead)) if sample is None else (sample, "")


async def _latest_leads(web_role: Web, flow_id: str) -> list[str]:
    """The flow's latest leads in the log; none while ClickHouse does not answer."""
    if not flow_id:
        return []
    try:
        client = await web_role.clickhouse()
        rows = await list_rows(client, Filters(flow=flow_id), limit=_LATEST_ROWS)
    except (ClickHouseError, ClickHouseFault):
        return []
    return list(dict.fromkeys(row.lead_id for row in rows.rows if row.lead_id))[:_LATEST_LEADS]


async def _checked(request: web.Request, draft: Draft) -> dict[str, Any]:
    """What the part with faults and previews shows."""
    sample, no_lead = await _sample(request, draft)
    found = _look(web_of(request), draft, sample)
    return {
        "checks": found,
        "sample": sample,
        "no_lead": no_lead,
        "edits": asker_in(request).may("editor"),
        "action": flow_link(draft.flow_id) if draft.version is not None else NEW_FLOW,
        "is_form": draft.tab == "form",
        "laid_out": pretty,
    }


def _notes_by_field(notes: list[Note]) -> dict[str, list[Note]]:
    found: dict[str, list[Note]] = {}
    for note in notes:
        found.setdefault(note.field, []).append(note)
    return found


async def _editor(
    request: web.Request,
    draft: Draft,
    *,
    status: int = 200,
    said: list[Said] | None = None,
    diffs: Diffs | None = None,
    trial: Trial | None = None,
    preset: Chosen | None = None,
) -> web.Response:
    web_role, form = web_of(request), draft.form
    if form is None:
        draft.tab = "json"
    texts = {**(form.texts if form else {}), **draft.given}
    checked = await _checked(request, draft)
    parked = waiting_of(
        draft.flow_id,
        parked_by_flow(web_role.states).get(draft.flow_id, {}),
        await counts_of(web_role, [draft.flow_id]),
    )
    return page(
        request,
        "flow.html",
        status=status,
        draft=draft,
        form=form,
        texts=texts,
        ticked={card.key: boxes_of(texts[f"{card.key}.on"]) for card in (form.cards if form else ())},
        adds={event: draft.given.get(f"add.{event}", "") for event in EVENTS},
        used={event for card in (form.cards if form else ()) for event in card.boxes},
        events=EVENTS,
        said=said or [],
        diffs=diffs,
        trial=trial,
        given=lambda name: draft.given.get(name, ""),
        tools=tools().values(),
        pasted=pasted(draft.given),
        gallery=by_kind(),
        chosen=preset or _chosen(request, draft),
        pretty=pretty,
        by_field=_notes_by_field(checked["checks"].faults if status == 422 else []),
        leads=await _latest_leads(web_role, draft.flow_id),
        parked=parked,
        macros=MACROS,
        prefixes=PREFIXES,
        filters=FILTERS,
        parked_link=parked_link,
        log_link=address(LOG, (("flow", draft.flow_id),)),
        flow_link=flow_link(draft.flow_id),
        **checked,
    )
