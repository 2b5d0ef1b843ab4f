"""The flow pages of a running installation, as a browser without script uses them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from html import unescape
from typing import Any

import pytest
from aiohttp import ClientSession, DummyCookieJar

from app.presets.catalogue import presets
from tests.forms import fields_of
from tests.home import Dev
from tests.receivers import Receiver, answer
from tests.web import EDIT, VIEW, bearer, web_dev
from tests.workers import until

pytestmark = [pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

HOSTILE = "\"'><script>window.owned=1</script>{{7*7}}"


class Pages:
    """A client that answers status, text and where it is sent to."""

    def __init__(self, client: ClientSession, token: str) -> None:
        self.client = client
        self.token = token

    async def get(self, path: str) -> str:
        """A page that is there."""
        status, text, _ = await self._ask("GET", path)
        assert status == 200, text
        return text

    async def post(self, path: str, fields: Any, **headers: str) -> tuple[int, str, str]:
        return await self._ask("POST", path, data=fields, headers=headers)

    async def saved(self, path: str, page: str, **changed: Any) -> str:
        """Save the form of a page, some fields changed; where it leads."""
        status, text, where = await self.post(path, fields_of(page, **changed))
        assert status == 303, text
        return where

    async def api(self, path: str) -> Any:
        return json.loads((await self._ask("GET", path))[1])

    async def _ask(
        self, method: str, path: str, data: Any = None, headers: Any = None
    ) -> tuple[int, str, str]:
        told = {**bearer(self.token), **(headers or {})}
        async with self.client.request(method, path, data=data, headers=told, allow_redirects=False) as got:
            return got.status, await got.text(), got.headers.get("Location", "")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """One installation for all tests here, with both tokens."""
    with web_dev(tmp_path_factory.mktemp("dev"), POSTBACKS_ALLOW_NETWORKS="127.0.0.0/8") as started:
        yield started


@pytest.fixture
async def client(running: Dev) -> AsyncIterator[ClientSession]:
    async with ClientSession(running.address, cookie_jar=DummyCookieJar()) as made:
        yield made


@pytest.fixture
def pages(client: ClientSession) -> Pages:
    return Pages(client, EDIT)


@pytest.fixture
def viewer(client: ClientSession) -> Pages:
    return Pages(client, VIEW)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver(answer(200, b'{"ok":true}')) as made:
        yield made


def text_of(page: str) -> str:
    """What a person reads of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def test_a_link_of_another_tracker_is_translated_and_inserted_without_script(pages: Pages) -> None:
    page = await pages.get("/new-flow")
    link = f"https://graph.facebook.com/?c={{external_id}}&p={{payout}}&x={HOSTILE}"
    fields = fields_of(page, flow_id="F-i", import__link=link, import__from="keitaro", import__under="hold")
    _, shown, _ = await pages.post("/new-flow?do=translate", fields)
    assert "Read as Keitaro’s." in text_of(shown)
    assert "leads have to bring it as the tag external_id" in text_of(shown)
    assert "There is a preset for this receiver: Meta Conversions API" in text_of(shown)
    assert HOSTILE not in shown
    status, part, _ = await pages.post("/new-flow?do=translate", fields, **{"HX-Request": "true"})
    assert (status, "<html" in part, "{tag.external_id}" in part) == (200, False, True)
    status, inserted, _ = await pages.post("/new-flow?do=insert", fields_of(shown))
    assert status == 200
    assert "Inserted under hold, not saved yet" in text_of(inserted)
    added = dict(fields_of(inserted))["add.hold"]
    assert added.startswith("https://graph.facebook.com/?c={tag.external_id}&p={price}&x=")
    taken = fields_of(inserted, import__link=link, import__under="hold")
    status, refused, _ = await pages.post("/new-flow?do=insert", taken)
    assert (status, "There is a link under this event already" in text_of(refused)) == (422, True)


async def test_a_preset_is_chosen_filled_in_and_inserted_without_script(pages: Pages) -> None:
    page = await pages.get("/new-flow")
    assert "Google Analytics 4" in text_of(page)
    listed = json.loads(await pages.get("/api/presets"))["data"]
    assert [one["id"] for one in listed] == list(presets())
    assert {"params", "secrets", "postbacks", "unconfirmed", "read_on"} <= listed[0].keys()
    fields = fields_of(page, flow_id="F-g", add__new="https://t.example/")
    _, chosen, _ = await pages.post("/new-flow?do=preset:telegram", fields)
    told = text_of(chosen)
    for words in (
        "POSTBACKS_SECRET_TELEGRAM_TOKEN",
        "not set here",
        "read on 2026",
        "Not confirmed on the vendor",
    ):
        assert words in told
    _, refused, _ = await pages.post(
        "/new-flow?do=add-preset", fields_of(chosen, gallery__param__chat="my chat")
    )
    assert "Not inserted: mend what is marked" in text_of(refused)
    assert "'my chat' is not of the form of '-1001234567890'" in text_of(refused)
    sound = fields_of(refused, gallery__param__chat=" -100123456 ")
    status, inserted, _ = await pages.post("/new-flow?do=add-preset", sound)
    assert (status, "Inserted Telegram Bot API, not saved yet" in text_of(inserted)) == (200, True)
    assert (await pages.post("/new-flow?do=save", fields_of(inserted)))[0] == 303
    saved = await pages.get("/flows/F-g?as=json")
    for words in ('"chat": "-100123456"', '"id": "telegram"', '"template": "https://t.example/"'):
        assert words in unescape(saved)


async def test_a_link_is_pasted_checked_tried_saved_and_brought_back(
    pages: Pages, receiver: Receiver
) -> None:
    link = f"http://127.0.0.1:{receiver.port}/pb?c={{click}}&s={{status}}&x={{meta.none}}"
    page = await pages.get("/new-flow")
    status, checks, _ = await pages.post("/new-flow/checks", fields_of(page, flow_id="F-1", add__new=link))
    assert status == 200
    assert '<mark title="{click}">c-9f3a7e</mark>' in checks
    assert "Without a value: {meta.none}" in text_of(checks)
    wrong = fields_of(page, flow_id="F-1", add__new=link.replace("{click}", "{click|sha265}"))
    status, refused, _ = await pages.post("/new-flow", wrong)
    assert status == 422
    assert 'the nearest known one is "sha256"' in text_of(refused)
    assert 'aria-describedby="e-add.new"' in refused
    tried = fields_of(page, flow_id="F-1", add__new=link)
    status, said, _ = await pages.post("/new-flow?do=test:add.new", tried, **{"HX-Request": "true"})
    assert (status, "It took it" in said, len(receiver.requests)) == (200, True, 1)
    assert "<html" not in said

    where = await pages.saved("/new-flow", page, flow_id="F-1", add__new=link)
    assert where == "/flows/F-1?done=saved"
    first = await pages.api("/api/flows/F-1")
    assert first["config"] == {"flow_id": "F-1", "postbacks": {"new": link}}

    page = await pages.get("/flows/F-1")
    assert await pages.saved("/flows/F-1", page) == "/flows/F-1?done=same"
    await pages.saved("/flows/F-1", page, p0__timeout_s="7", name="Summer")
    second = await pages.api("/api/flows/F-1")
    assert second["config"]["postbacks"] == [{"id": "new", "on": ["new"], "template": link, "timeout_s": 7}]

    async def history() -> str:
        found = await pages.get("/flows/F-1/history")
        return found if f"Version {second['version']}" in text_of(found) else ""

    told = await until(history, "the history is stored")
    assert '<span class="unseen">added: </span><ins>  &#34;name&#34;: &#34;Summer&#34;</ins>' in told
    back = {"version": str(first["version"]), "now": str(second["version"])}
    assert (await pages.post("/flows/F-1/bring-back", back))[2] == "/flows/F-1?done=brought"
    assert (await pages.api("/api/flows/F-1"))["config"] == first["config"]
    assert (await pages.post("/flows/F-1/bring-back", back))[0] == 409


async def test_the_second_of_two_editors_is_told_and_overwrites_nothing(pages: Pages) -> None:
    page = await pages.get("/new-flow")
    await pages.saved(
        "/new-flow", page, flow_id="F-2", add__new="https://a.example/", add__hold="https://b.example/"
    )
    assert (await pages.post("/new-flow", fields_of(page, flow_id="F-2")))[0] == 409
    page = await pages.get("/flows/F-2")
    await pages.saved("/flows/F-2", page, p0__template="https://theirs.example/", name="Theirs")
    mine = fields_of(page, p1__template="https://mine.example/", name="Mine")
    status, told, _ = await pages.post("/flows/F-2", mine)
    assert status == 409
    assert "<ins>    &#34;new&#34;: &#34;https://theirs.example/&#34;" in told
    assert "<ins>    &#34;hold&#34;: &#34;https://mine.example/&#34;" in told
    assert "Both changed name: yours is below, theirs was Theirs." in text_of(told)
    assert (await pages.api("/api/flows/F-2"))["config"]["name"] == "Theirs"
    await pages.saved("/flows/F-2", told)
    assert (await pages.api("/api/flows/F-2"))["config"] == {
        "flow_id": "F-2",
        "postbacks": {"new": "https://theirs.example/", "hold": "https://mine.example/"},
        "name": "Mine",
    }
    stale = fields_of(page, form="", version=dict(mine)["version"])
    assert (await pages.post("/flows/F-2/delete", stale))[0] == 409
    now = str((await pages.api("/api/flows/F-2"))["version"])
    assert (await pages.post("/flows/F-2/delete", {"version": now}))[2] == "/flows"
    assert (await pages.post("/flows/F-2", mine))[0] == 409
    assert ">F-2<" not in await pages.get("/flows")


async def test_the_two_tabs_hold_the_same_edit(pages: Pages) -> None:
    page = await pages.get("/new-flow")
    asked = fields_of(page, flow_id="F-3", add__new="https://a.example/?c={click}", do="json")
    status, as_json, _ = await pages.post("/new-flow", asked)
    assert (status, '"new": "https://a.example/?c={click}"' in unescape(as_json)) == (200, True)
    status, as_form, _ = await pages.post("/new-flow", fields_of(as_json, do="form"))
    assert (status, dict(fields_of(as_form))["p0.template"]) == (200, "https://a.example/?c={click}")
    config = json.dumps({"flow_id": "F-3", "postbacks": {"new": "https://b.example/"}})
    await pages.saved("/new-flow", as_json, config=config)
    assert (await pages.api("/api/flows/F-3"))["config"] == json.loads(config)
    status, told, _ = await pages.post("/flows/F-3", fields_of(as_json, version="0", config='{"flow_id": 1'))
    assert (status, "Not saved" in told) == (422, True)


async def test_a_postback_is_parked_by_hand_and_released_as_it_is_now(
    pages: Pages, viewer: Pages, receiver: Receiver
) -> None:
    link = f"http://127.0.0.1:{receiver.port}/old?lead={{id}}"
    page = await pages.get("/new-flow")
    await pages.saved("/new-flow", page, flow_id="F-4", add__new=link)
    parked = "/flows/F-4/parked/new"
    assert "0 requests wait" in text_of(await pages.get(parked))
    assert (await viewer.post(f"{parked}/park", {"why": "no"}))[0] == 403
    assert (await pages.post("/flows/F-4/parked/none/park", {"why": "moved"}))[0] == 404
    assert (await pages.post(f"{parked}/park", {"why": "moved"}))[0] == 303
    await asyncio.sleep(1.2)  # a worker sees a state within a second
    events = [
        {"event_id": f"e-{n}", "lead_id": f"L-{n}", "flow_id": "F-4", "status": "new"} for n in range(3)
    ]
    async with pages.client.post("/api/lead-events", json=events, headers=bearer(EDIT)) as got:
        assert got.status == 202

    async def shows(path: str, text: str) -> str:
        found = await pages.get(path)
        return found if text in text_of(found) else ""

    told = await until(lambda: shows(parked, "3 requests wait"), "three are kept")
    assert "moved" in told
    await until(lambda: shows("/flows", "3 requests wait"), "the list says so too")
    assert "Release 3" not in await viewer.get(parked)

    editor = await pages.get("/flows/F-4")
    assert "moved" in editor
    await pages.saved("/flows/F-4", editor, p0__template=link.replace("/old", "/new"))
    anew = await until(lambda: shows(f"{parked}?rerender=yes", "3 of 3 differ"), "each differs")
    assert "/old?lead=L-" in anew
    assert "/new?lead=L-" in anew
    assert (await pages.post(f"{parked}/release", {"rate": "0"}))[0] == 422
    assert (await pages.post(f"{parked}/release", {"rate": "50", "rerender": "yes"}))[0] == 303
    await until(lambda: shows(parked, "3 were released; it is active."), "the release ends")
    assert sorted(request.target for request in receiver.requests) == [
        f"/new?lead=L-{n}".encode() for n in range(3)
    ]


async def test_kept_requests_are_discarded_with_a_row_each(pages: Pages) -> None:
    page = await pages.get("/new-flow")
    await pages.saved("/new-flow", page, flow_id="F-5", add__new="http://127.0.0.1:9/?lead={id}")
    parked = "/flows/F-5/parked/new"
    await pages.post(f"{parked}/park", {"why": ""})
    await asyncio.sleep(1.2)  # likewise
    event = {"event_id": "d-1", "lead_id": "D-1", "flow_id": "F-5", "status": "new"}
    async with pages.client.post("/api/lead-events", json=[event], headers=bearer(EDIT)) as got:
        assert got.status == 202

    async def kept() -> bool:
        return "1 requests wait" in text_of(await pages.get(parked))

    async def rows() -> list[Any]:
        found: list[Any] = (await pages.api("/api/postbacks?flow=F-5&outcome=discarded"))["data"]
        return found

    await until(kept, "it is kept")
    assert (await pages.post(f"{parked}/discard", {}))[0] == 303
    assert "0 requests wait" in text_of(await pages.get(parked))
    [row] = await until(rows, "its row")
    assert row["lead_id"] == "D-1"


async def test_a_viewer_sees_all_of_it_but_tokens_and_controls(pages: Pages, viewer: Pages) -> None:
    page = await pages.get("/new-flow")
    token = "aVerySecretToken1234567890"
    config = {
        "flow_id": f"F {HOSTILE}",
        "name": HOSTILE,
        "params": {"p": HOSTILE},
        "postbacks": [
            {"id": HOSTILE, "on": ["new", f"goal:{HOSTILE}"], "name": HOSTILE,
             "template": f"https://t.example/?token={token}&x={HOSTILE[:-7]}|POST|a={{name}}",
             "headers": {"Authorization": f"Bearer {token}", "X-Said": HOSTILE}, "when": {"tag.x": HOSTILE}},
        ],
    }  # fmt: skip
    [as_json] = [await pages.post("/new-flow", fields_of(page, do="json"))]
    where = await pages.saved("/new-flow", as_json[1], config=json.dumps(config))
    path = where.partition("?")[0]

    async def stored() -> bool:
        return "Version" in await pages.get(f"{path}/history")

    await until(stored, "the version is stored")
    for asker in (pages, viewer):
        for shown in (path, f"{path}?as=json", "/flows", f"{path}/history"):
            seen = await asker.get(shown)
            assert "<script>window" not in seen
            assert (token in seen) == (asker is pages and shown != "/flows")
    seen = await viewer.get(path)
    assert 'value="save"' not in seen
    assert "Send a test" not in seen
    assert "Delete" not in seen
    assert "•••" in seen
    assert await pages.saved(path, await pages.get(path)) == f"{path}?done=same"
    for refused in (path, f"{path}/checks", f"{path}/delete", f"{path}/bring-back"):
        assert (await viewer.post(refused, {"version": "1"}))[0] == 403
    assert (await viewer.post("/new-flow", {}))[0] == 403
