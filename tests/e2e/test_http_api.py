"""The HTTP API of a running installation, by the clients that people use: what goes in comes out."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import ClientSession, DummyCookieJar

from tests.home import Dev
from tests.receivers import Receiver, answer
from tests.web import EDIT, VIEW, bearer, web_dev
from tests.workers import until

pytestmark = [pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

NETWORK = "a-token-of-a-network"
Got = tuple[int, Any]


class Api:
    """A client of the API: each call answers status and JSON."""

    def __init__(self, client: ClientSession, token: str) -> None:
        self.client = client
        self.token = token
        self.headers: Mapping[str, str] = {}

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Got:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        data = None if content is None else io.BytesIO(content)
        told = {**bearer(self.token), **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self.client.request(method, path, data=data, headers=told) as got:
            self.headers = got.headers.copy()
            text = await got.read()
            return got.status, json.loads(text) if text else None


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """One installation for all tests here, with both tokens."""
    folder = tmp_path_factory.mktemp("dev")
    fields = {"lead_id": "id", "status": "st", "price": "payout", "click.id": "subid"}
    mapped = {NETWORK: {"flow": "F-9", "fields": fields, "statuses": {"sale": "approve"}}}
    (folder / "inbound.json").write_text(json.dumps(mapped))
    environ = {"POSTBACKS_ALLOW_NETWORKS": "127.0.0.0/8", "POSTBACKS_INBOUND": "inbound.json"}
    with web_dev(folder, **environ) as started:
        yield started


@pytest.fixture
async def client(running: Dev) -> AsyncIterator[ClientSession]:
    async with ClientSession(running.address, cookie_jar=DummyCookieJar()) as made:
        yield made


@pytest.fixture
def api(client: ClientSession) -> Api:
    return Api(client, EDIT)


@pytest.fixture
def viewer(client: ClientSession) -> Api:
    return Api(client, VIEW)


def _event(lead: str, status: str = "new", flow: str = "F-1", **more: Any) -> dict[str, Any]:
    return {"event_id": f"{lead}-{status}", "lead_id": lead, "flow_id": flow, "status": status, **more}


async def _rows(api: Api, query: str, n: int = 1) -> list[dict[str, Any]]:
    async def found() -> list[dict[str, Any]]:
        status, page = await api("GET", f"/api/postbacks?{query}")
        assert status == 200, page
        return page["data"] if len(page["data"]) >= n else []

    rows: list[dict[str, Any]] = await until(found, query)
    return rows


async def test_flows_are_saved_with_their_versions_and_what_is_wrong_is_named(api: Api, viewer: Api) -> None:
    flow = {"flow_id": "F/ü", "postbacks": {"new": "https://t.example/?c={click}&token=s3cr3t-t0ken"}}
    at = "/api/flows/F%2F%C3%BC"
    status, saved = await api("PUT", at, flow)
    assert (status, saved["created"]) == (201, True)
    assert "secret" in saved["warnings"][0]["text"]
    etag = api.headers["ETag"]
    assert etag == f'"{saved["version"]}"'

    status, shown = await api("GET", at)
    assert (status, shown["config"], api.headers["ETag"]) == (200, flow, etag)
    status, shown = await viewer("GET", at)
    assert shown["config"]["postbacks"]["new"] == "https://t.example/?c={click}&token=•••"

    flow["postbacks"]["new"] = "https://t.example/?c={click}"  # type: ignore[index]
    status, saved = await api("PUT", at, flow, If_Match=etag)
    assert (status, saved["created"], saved["warnings"]) == (200, False, [])
    for headers in ({"If_Match": etag}, {"If_None_Match": "*"}, {"If_Match": "nonsense"}):
        status, problem = await api("PUT", at, flow, **headers)
        assert (status, problem["title"]) == (412, "Precondition Failed")
        assert api.headers["ETag"] == f'"{saved["version"]}"'
    status, problem = await api("DELETE", at, If_Match=etag)
    assert status == 412

    wrong: list[tuple[Any, str, str]] = [
        ({**flow, "postbacks": {"new": "https://t/{click|sha265}"}}, "postbacks.new", "sha256"),
        ({**flow, "postback": {}}, "postback", "postbacks"),
        ({**flow, "flow_id": "other"}, "flow_id", "other"),
        (b"{", "", "JSON"),
    ]
    for config, path, word in wrong:
        status, problem = await api("PUT", at, config)
        [error] = problem["errors"]
        assert (status, error["path"]) == (422, path)
        assert word in error["reason"]

    status, listed = await viewer("GET", "/api/flows")
    [one] = [one for one in listed["data"] if one["flow_id"] == "F/ü"]
    assert (one["version"], one["postbacks"], one["parked"]) == (saved["version"], ["new"], [])
    for call in (viewer("PUT", at, flow), viewer("DELETE", at)):
        assert (await call)[0] == 403
    assert await api("DELETE", at) == (204, None)
    assert [(await api(method, at))[0] for method in ("GET", "DELETE")] == [404, 404]


async def test_two_who_edit_at_once_do_not_overwrite_each_other(api: Api, client: ClientSession) -> None:
    flow = {"flow_id": "F-both", "postbacks": {"new": "https://t.example/"}}
    assert (await api("PUT", "/api/flows/F-both", flow))[0] == 201
    etag = api.headers["ETag"]
    edits = [
        Api(client, EDIT)("PUT", "/api/flows/F-both", {**flow, "name": name}, If_Match=etag) for name in "abc"
    ]
    assert sorted(status for status, _ in await asyncio.gather(*edits)) == [200, 412, 412]


async def test_events_go_in_one_many_or_as_lines_and_all_or_none(api: Api, viewer: Api) -> None:
    status, told = await api("POST", "/api/lead-events", _event("A-1"))
    assert (status, told["accepted"]) == (202, 1)
    assert told["events"][0].keys() == {"event_id", "lead_id", "partition", "offset"}
    partition = told["events"][0]["partition"]
    status, told = await api("POST", "/api/lead-events", [_event("A-1", "approve"), _event("A-2")])
    assert (status, [one["lead_id"] for one in told["events"]]) == (202, ["A-1", "A-2"])
    assert told["events"][0]["partition"] == partition
    lines = b"\n".join(json.dumps(_event(f"A-{n}")).encode() for n in range(3, 6)) + b"\n\n"
    status, told = await api("POST", "/api/lead-events", lines, Content_Type="application/x-ndjson")
    assert (status, told["accepted"]) == (202, 3)

    status, problem = await api(
        "POST", "/api/lead-events", [_event("B-1"), _event("B-2", "aproved"), {"lead_id": "B-3"}]
    )
    assert (status, problem["errors"]) == (
        422,
        [
            {"path": "status", "reason": problem["errors"][0]["reason"], "index": 1},
            {"path": "event_id", "reason": "missing", "index": 2},
        ],
    )
    assert "approve" in problem["errors"][0]["reason"]
    for body in (b"", b"[]", b"[1]", b"nonsense", b"{}", b"[" * 100, b'{"event_id": "\xff"}'):
        status, problem = await api("POST", "/api/lead-events", body)
        assert (status, bool(problem["errors"])) == (422, True), body
    status, problem = await api("POST", "/api/lead-events", b" " * (8 * 1024 * 1024 + 1))
    assert (status, problem["title"]) == (413, "Request Entity Too Large")
    assert (await viewer("POST", "/api/lead-events", _event("A-9")))[0] == 403
    for lead in ("A-1", "A-5"):
        await until(_is_there(api, lead), lead)
    assert (await api("GET", "/api/leads/B-1"))[0] == 404


def _is_there(api: Api, lead: str) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def found() -> bool:
        return (await api("GET", f"/api/leads/{lead}"))[0] == 200

    return found


async def _put(api: Api, flow: dict[str, Any]) -> None:
    """Save a flow and wait until JOIN has it too, which is within a second."""
    status, saved = await api("PUT", f"/api/flows/{flow['flow_id']}", flow)
    assert status == 201

    async def known() -> bool:
        async with api.client.get("/metrics", headers=bearer(VIEW)) as metrics:
            [offset] = re.findall(r"^postbacks_flows_offset (\S+)$", await metrics.text(), re.MULTILINE)
            return float(offset) >= int(saved["version"])

    await until(known, flow["flow_id"])


async def test_what_was_sent_is_found_and_viewers_see_no_phone_and_no_email(api: Api, viewer: Api) -> None:
    phone, email = "+38 (050) 123-45-67", "Olha@Example.com"
    async with Receiver(answer(200, body=b"thanks, olha@example.com")) as receiver:
        link = (
            f"http://127.0.0.1:{receiver.port}/?p={{phone|digits}}&e={{email|lower}}&c={{click}}&n={{event}}"
        )
        flow = {"flow_id": "F-log", "postbacks": {"new": link, "approve": f"{link}|POST|phone={{phone}}"}}
        await _put(api, flow)
        customer = {"name": "Olha", "phone": phone, "email": email, "comment": f"call {phone}"}
        events = [_event(f"S-{n}", flow="F-log", customer=customer, click={"id": "c-1"}) for n in range(3)]
        events.append(_event("S-0", "approve", "F-log", price=12.5, currency="usd"))
        assert (await api("POST", "/api/lead-events", events))[0] == 202
        rows = await _rows(api, "flow=F-log", 4)

    assert {row["outcome"] for row in rows} == {"delivered"}
    assert "p=380501234567&e=olha%40example.com" in rows[0]["url"]
    [approved] = await _rows(api, "lead=S-0&event=approve")
    assert (approved["price"], approved["currency"], approved["method"]) == (12.5, "usd", "POST")
    status, first = await api("GET", "/api/postbacks?flow=F-log&limit=3")
    status, rest = await api("GET", f"/api/postbacks?flow=F-log&limit=3&before={first['next']}")
    found = [row["attempt_id"] for row in (*first["data"], *rest["data"])]
    assert (len(set(found)), rest["next"]) == (4, None)
    for query, count in {
        "outcome=delivered&outcome=failed": 4, "outcome=failed": 0, "code=2xx": 4, "code=404": 0,
        "click=c-1": 4, "host=127.0.0.1": 4, "postback=new": 3, "since=1h": 4, "until=1h": 0, "text=olha": 4,
        "text=": 4, "utm_source=fb": 0,
    }.items():  # fmt: skip
        status, page = await api("GET", f"/api/postbacks?flow=F-log&{query}")
        assert (status, len(page["data"])) == (200, count), query
    for query, path in {
        "flwo=F": "flwo", "outcome=sent": "outcome[0]", "code=abc": "code", "since=soon": "since",
        "limit=0": "limit", "limit=x": "limit", "before=1.2": "before", "flow=a&flow=b": "flow",
        "before=9999999999999999999.1.1.1": "before",
    }.items():  # fmt: skip
        status, problem = await api("GET", f"/api/postbacks?{query}")
        assert (status, problem["errors"][0]["path"]) == (422, path), problem

    status, shown = await api("GET", f"/api/postbacks/{approved['request_id']}")
    [attempt] = shown["rows"]
    assert (status, attempt["response_body"], "phone=" in attempt["request_body"]) == (
        200, "thanks, olha@example.com", True,
    )  # fmt: skip
    assert (await api("GET", f"/api/postbacks/{approved['request_id'][:8]}"))[0] == 200
    assert (await api("GET", "/api/postbacks/nothing-of-ours"))[0] == 404
    status, story = await api("GET", "/api/leads/S-0")
    assert (story["lead"]["status"], story["lead"]["customer"]["phone"]) == ("approve", phone)
    assert len(story["events"]) == len(story["rows"]) == 2

    for path in ("/api/postbacks?flow=F-log", f"/api/postbacks/{approved['request_id']}", "/api/leads/S-0"):
        status, seen = await viewer("GET", path)
        told = json.dumps(seen, ensure_ascii=False)
        assert (status, "•••" in told, "Olha" in told or "/?p=" in told) == (200, True, True)
        assert not re.search(r"501234567|123-45-67|123%2D45|olha(@|%40)example", told, re.IGNORECASE), path
    status, problem = await viewer("GET", "/api/postbacks?text=50123")
    assert (status, "POSTBACKS_TOKEN" in problem["detail"]) == (403, True)

    async def counted() -> list[dict[str, Any]]:
        status, answer = await viewer("GET", "/api/stats?by=flow&by=postback&flow=F-log")
        assert status == 200
        groups: list[dict[str, Any]] = answer["data"]
        return groups if sum(group["delivered"] for group in groups) == 4 else []

    groups = await until(counted, "the statistics")
    assert groups[0]["group"] == {"flow": "F-log", "postback": "new"}
    for query in ("by=week", "by=flow&lead=L", "limit=-1"):
        assert (await api("GET", f"/api/stats?{query}"))[0] == 422


async def test_a_call_of_a_network_becomes_an_event_once(api: Api, running: Dev) -> None:
    client = api.client
    call = {"id": "N-1", "st": "sale", "payout": "12.5", "subid": "c-7"}
    for _ in range(2):
        async with client.get(f"/in/{NETWORK}", params=call) as got:
            assert (got.status, await got.text()) == (200, "ok\n")
    async with client.post(f"/in/{NETWORK}?id=N-1", data={"st": "cancel"}) as got:
        assert got.status == 200
    for params, word in (({"id": "N-2", "st": "sold"}, "st: "), ({"st": "sale"}, "id: missing")):
        async with client.get(f"/in/{NETWORK}", params=params) as got:
            assert (got.status, (await got.text()).startswith(word)) == (422, True)
    async with client.post(f"/in/{NETWORK}?id=N-1", data={"id": "N-2"}) as got:
        assert (got.status, await got.text()) == (422, "id: it stands twice, with different values\n")
    async with client.get(f"/in/{NETWORK}x", params=call) as got:
        assert got.status == 404
    async with client.head(f"/in/{NETWORK}", params={**call, "id": "N-3"}) as got:
        assert got.status == 405

    async def told() -> Any:
        status, story = await api("GET", "/api/leads/N-1")
        return story if status == 200 and len(story["events"]) == 3 else None

    story = await until(told, "the lead")
    assert [event["result"] for event in story["events"]] == ["folded", "repeat", "folded"]
    lead = story["lead"]
    assert (lead["status"], lead["price"], lead["click"]["id"], lead["flow_id"]) == (
        "cancel",
        12.5,
        "c-7",
        "F-9",
    )
    assert (await api("GET", "/api/leads/N-3"))[0] == 404
    assert NETWORK not in running.told()


async def test_what_failed_is_counted_then_sent_again(api: Api, viewer: Api) -> None:
    async with Receiver(answer(404), answer(404), answer(200)) as receiver:
        await _put(
            api, {"flow_id": "F-again", "postbacks": {"new": f"http://127.0.0.1:{receiver.port}/{{id}}"}}
        )
        assert (await api("POST", "/api/lead-events", [_event(f"R-{n}", flow="F-again") for n in (1, 2)]))[
            0
        ] == 202
        await _rows(api, "flow=F-again&outcome=failed", 2)
        asked = {"flow": "F-again", "since": "1h"}
        status, looked = await api("POST", "/api/replay", asked)
        assert (status, looked["found"], looked["sendable"], looked["replayed"]) == (200, 2, 2, 0)
        assert len(receiver.requests) == 2
        status, done = await api("POST", "/api/replay", {**asked, "rerender": True, "confirm": True})
        assert (status, done["replayed"], done["differing"], done["not_sendable"]) == (200, 2, 0, {})
        rows = await _rows(api, "flow=F-again&outcome=delivered", 2)
        assert ({row["replay"] for row in rows}, len(receiver.requests)) == ({1}, 4)
        status, looked = await api("POST", "/api/replay", {**asked, "confirm": True})
        assert (status, looked["found"], looked["replayed"]) == (200, 0, 0)
        status, looked = await api(
            "POST", "/api/replay", {"ids": [rows[0]["request_id"]], "outcome": ["failed"]}
        )
        assert (status, looked["found"]) == (200, 0)
    for body, path in (
        ({}, ""),
        ({"flwo": "F"}, ""),
        ({"flow": "F", "text": "x"}, "text"),
        ({"verdict": ["no"]}, "verdict[0]"),
    ):
        status, problem = await api("POST", "/api/replay", body)
        assert (status, problem["errors"][0]["path"]) == (422, path), problem
    assert (await viewer("POST", "/api/replay", asked))[0] == 403


async def test_a_postback_is_parked_and_released(api: Api, viewer: Api) -> None:
    async with Receiver(answer(200)) as receiver:
        await _put(
            api, {"flow_id": "F-park", "postbacks": {"new": f"http://127.0.0.1:{receiver.port}/{{id}}"}}
        )
        asked = {"flow_id": "F-park", "postback_id": "new"}
        status, now = await api("POST", "/api/states", {**asked, "state": "parked", "why": "moving"})
        assert (status, now["state"], now["why"]) == (200, "parked", "moving")
        assert now["by"].startswith("web@")
        status, flow = await viewer("GET", "/api/flows/F-park")
        assert [(one["postback_id"], one["why"]) for one in flow["parked"]] == [("new", "moving")]
        assert (await api("POST", "/api/states", {**asked, "state": "parked"}))[1]["why"] == "moving"
        assert (await api("POST", "/api/lead-events", [_event(f"P-{n}", flow="F-park") for n in range(3)]))[
            0
        ] == 202
        await _rows(api, "flow=F-park&outcome=parked", 3)
        status, now = await api("POST", "/api/states", {**asked, "state": "active", "rerender": True})
        assert (status, now["state"], now["kept"], now["differing"], now["releasing"]) == (
            200,
            "parked",
            3,
            0,
            False,
        )
        assert receiver.requests == []
        status, now = await api("POST", "/api/states", {**asked, "state": "active", "confirm": True})
        assert (status, now["kept"], now["releasing"]) == (202, 3, True)
        await _rows(api, "flow=F-park&outcome=delivered", 3)

        async def over() -> bool:
            _, now = await api("POST", "/api/states", {**asked, "state": "active"})
            return (now["state"], now["kept"], now["releasing"]) == ("active", 0, False)

        await until(over, "the end of the release")
        assert (await api("GET", "/api/flows/F-park"))[1]["parked"] == []
    for body, status in (
        ({**asked, "postback_id": "none", "state": "parked"}, 404),
        ({**asked, "flow_id": "none", "state": "parked"}, 404),
        ({**asked, "state": "gone"}, 422),
        ({"state": "parked"}, 422),
    ):
        assert (await api("POST", "/api/states", body))[0] == status
    assert (await viewer("POST", "/api/states", {**asked, "state": "parked"}))[0] == 403


async def test_a_test_is_really_sent_once_and_leaves_no_row(api: Api, viewer: Api) -> None:
    async with Receiver(answer(200, b'{"ok":false}')) as receiver:
        ask = {
            "template": f'{receiver.url("/t")}|JSON|{{"c":"{{click}}"}}',
            "event": {"click": {"id": "c'9"}},
        }
        assert (await viewer("POST", "/api/test-send", ask))[0] == 403
        status, told = await api("POST", "/api/test-send", ask)
        assert (status, told["verdict"], told["response_status"]) == (200, "ok", 200), told
        assert (told["method"], told["request_body"]) == ("POST", '{"c":"c\'9"}')
        assert told["response_body"] == '{"ok":false}'
        [came] = receiver.requests
        assert came.body == b'{"c":"c\'9"}'
        for wrong, place in (
            ({"template": "https://t.example/{click|sha265}"}, "link"),
            ({**ask, "secrets": {"a": "b"}}, "secrets"),
        ):
            status, problem = await api("POST", "/api/test-send", wrong)
            assert (status, problem["errors"][0]["path"]) == (422, place)
        assert len(receiver.requests) == 1
    status, told = await api("POST", "/api/test-send", {"template": "http://10.0.0.1/"})
    assert (status, told["verdict"]) == (200, "blocked")
    status, found = await api("GET", "/api/postbacks?host=127.0.0.1&lead=test")
    assert (status, found["data"]) == (200, [])


async def test_a_preview_shows_the_request_and_what_is_wrong_at_its_place(viewer: Api) -> None:
    ask = {
        "template": "https://t.example/?c={click}&k={secret.k}",
        "event": {"click": {"id": "a b"}},
        "secrets": {"k": "hidden"},
    }
    status, shown = await viewer("POST", "/api/preview", json.dumps(ask, indent=1).encode())
    assert (status, unquote(shown["url"])) == (200, "https://t.example/?c=a b&k=•••")
    status, problem = await viewer("POST", "/api/preview", {"template": "https://t.example/{click|sha265}"})
    [error] = problem["errors"]
    assert (status, error["path"], error["at"]) == (422, "link", 25)
    assert "sha256" in error["reason"]
    for body in (b"", b"{}", {"template": "https://t", "event": 5}, {"template": 5}):
        assert (await viewer("POST", "/api/preview", body))[0] == 422
