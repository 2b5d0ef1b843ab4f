"""The server over HTTP: probes, the gate before everything else, logging in and out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientResponse, ClientSession, web
from yarl import URL

from app.web.context import asker_in, web_of
from app.web.gate import for_role
from app.web.limiter import PER_ADDRESS
from app.web.problem import Problem, Wrong
from app.web.server import new_server
from app.web.who import Tokens, csrf_token
from tests.web import EDIT, TOKENS, VIEW, bearer, served, web_role


async def test_probes_are_open_and_metrics_need_a_token_where_there_is_one() -> None:
    missing: list[str] = ["join: the flows"]
    async with served(new_server(lambda: missing, Tokens(view="s3cret"))) as client:
        async with client.get("/healthz") as answer:
            assert answer.status == 200
        async with client.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (503, "join: the flows\n")
        missing.clear()
        async with client.get("/readyz") as answer:
            assert answer.status == 200
        for given, status in ((None, 401), ("Bearer other", 401), ("Bearer s3cret", 200)):
            headers = {"Authorization": given} if given else {}
            async with client.get("/metrics", headers=headers) as answer:
                assert answer.status == status
                assert ("python_gc_objects" in await answer.text()) == (status == 200)
        async with client.get("/login") as answer:
            assert answer.status == 404  # there is no web role here


def _routes(application: web.Application) -> None:
    """Handlers as any page and any part of the API may be."""

    async def told(request: web.Request) -> web.Response:
        asker = asker_in(request)
        return web.json_response([asker.role, asker.by, csrf_token(asker, web_of(request).tokens)])

    @for_role("viewer")
    async def checks(request: web.Request) -> web.Response:
        return web.json_response(await request.text())

    async def wrong(request: web.Request) -> web.Response:
        raise Problem(422, "<it> is wrong", [Wrong("a.b", "no number", 3)])

    async def broken(request: web.Request) -> web.Response:
        raise RuntimeError("a secret of ours")

    for at in ("/api/thing", "/page"):
        application.router.add_get(at, told)
        application.router.add_post(at, told)
    application.router.add_post("/api/check", checks)
    for at in ("/api/wrong", "/wrong"):
        application.router.add_get(at, wrong)
    application.router.add_get("/api/broken", broken)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ClientSession]:
    application = new_server(list, TOKENS, web_role(TOKENS, tmp_path))
    _routes(application)
    async with served(application) as client:
        yield client


async def _status(answer: ClientResponse) -> int:
    await answer.read()
    return answer.status


async def test_the_gate_lets_viewers_read_and_editors_write(client: ClientSession) -> None:
    for token, role in ((VIEW, "viewer"), (EDIT, "editor")):
        async with client.get("/api/thing", headers=bearer(token)) as answer:
            assert await answer.json() == [role, "bearer", ""]
    async with client.get("/api/thing") as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.content_type == "application/problem+json"
        told = await answer.json(content_type=None)
        assert told["title"] == "Unauthorized"
        assert "POSTBACKS_VIEW_TOKEN" in told["detail"]
    assert await _status(await client.get("/api/thing", headers=bearer("wrong"))) == 401
    assert await _status(await client.post("/api/thing", headers=bearer(EDIT))) == 200
    assert await _status(await client.post("/api/thing", headers=bearer(VIEW))) == 403
    assert await _status(await client.post("/api/check", headers=bearer(VIEW), data="x")) == 200
    async with client.get("/page?a=b", allow_redirects=False) as answer:
        assert answer.status == 303
        assert URL(answer.headers["Location"]) == URL("/login") % {"next": "/page?a=b"}


async def test_a_refusal_is_a_problem_for_programs_and_a_page_for_people(client: ClientSession) -> None:
    async with client.get("/api/wrong", headers=bearer(VIEW)) as answer:
        assert await answer.json(content_type="application/problem+json") == {
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "<it> is wrong",
            "errors": [{"path": "a.b", "reason": "no number", "index": 3}],
        }
    async with client.get("/wrong", headers=bearer(VIEW)) as answer:
        text = await answer.text()
        assert (answer.status, answer.content_type) == (422, "text/html")
        assert "&lt;it&gt; is wrong" in text
    async with client.get("/api/broken", headers=bearer(VIEW)) as answer:
        assert answer.status == 500
        assert "a secret of ours" not in await answer.text()
    async with client.put("/api/thing", headers=bearer(EDIT)) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD,POST")
    async with client.get("/api/none", headers=bearer(VIEW)) as answer:
        assert (await answer.json(content_type=None))["status"] == 404


async def test_every_answer_tells_browsers_to_be_strict(client: ClientSession) -> None:
    for path in ("/healthz", "/login", "/api/none", "/api/thing"):
        async with client.get(path, headers={"X-Forwarded-Proto": "https"}) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Strict-Transport-Security"]
    async with client.get("/healthz") as answer:
        assert "Strict-Transport-Security" not in answer.headers


async def _log_in(client: ClientSession, token: str, after: str = "", **headers: str) -> ClientResponse:
    form = {"token": token, "next": after}
    async with client.post("/login", data=form, headers=headers, allow_redirects=False) as answer:
        await answer.read()
        return answer


def _cookie(answer: ClientResponse) -> str:
    return answer.headers["Set-Cookie"].partition(";")[0]


async def test_a_person_logs_in_and_writes_with_the_token_of_their_own_session(client: ClientSession) -> None:
    answer = await _log_in(client, f" {EDIT}\n", "/page?a=b")
    assert (answer.status, answer.headers["Location"]) == (303, "/page?a=b")
    told = answer.headers["Set-Cookie"]
    assert "HttpOnly" in told
    assert "SameSite=Lax" in told
    assert "Secure" not in told
    assert EDIT not in told
    assert "Secure" in (await _log_in(client, VIEW, **{"X-Forwarded-Proto": "https"})).headers["Set-Cookie"]
    cookie = {"Cookie": _cookie(answer)}
    async with client.get("/api/thing", headers=cookie) as page:
        role, by, csrf = await page.json()
        assert (role, by) == ("editor", "session")
    async with client.post("/page", headers=cookie, data={"csrf_token": csrf}) as page:
        assert page.status == 200
    assert await _status(await client.post("/api/thing", headers={**cookie, "X-CSRF-Token": csrf})) == 200
    for lacking in ({}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": csrf, "Origin": "https://evil.example"}):
        assert await _status(await client.post("/api/thing", headers=cookie | lacking)) == 403
    other = {"Cookie": _cookie(await _log_in(client, EDIT)), "X-CSRF-Token": csrf}
    assert await _status(await client.post("/api/thing", headers=other)) == 403
    viewer = {"Cookie": _cookie(await _log_in(client, VIEW))}
    async with client.get("/api/thing", headers=viewer) as page:
        _, _, csrf = await page.json()
    assert await _status(await client.post("/api/thing", headers={**viewer, "X-CSRF-Token": csrf})) == 403
    async with client.post("/logout", headers={**viewer, "X-CSRF-Token": csrf}, allow_redirects=False) as out:
        assert (out.status, out.headers["Location"]) == (303, "/login")
        assert 'postbacks_session=""' in out.headers["Set-Cookie"]
    assert await _status(await client.get("/api/thing", headers=viewer)) == 401  # a copy of the cookie
    assert await _status(await client.get("/api/thing", headers=cookie)) == 200


@pytest.mark.parametrize(
    "after", ["https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nX: y", "page", "/ü", ""]
)
async def test_the_way_on_from_the_login_is_a_path_of_ours(client: ClientSession, after: str) -> None:
    answer = await _log_in(client, VIEW, after)
    assert (answer.status, answer.headers["Location"], "X" in answer.headers) == (303, "/", False)


async def test_tokens_cannot_be_tried_for_long(client: ClientSession) -> None:
    assert (await _log_in(client, EDIT, Origin="https://evil.example")).status == 403
    for _ in range(PER_ADDRESS):
        assert (await _log_in(client, "wrong")).status == 401
    answer = await _log_in(client, EDIT)
    assert (answer.status, 0 < int(answer.headers["Retry-After"]) <= 600) == (429, True)
    assert await _status(await client.get("/api/thing", headers=bearer(EDIT))) == 200


async def test_loopback_without_a_token_is_open_but_not_to_other_sites(tmp_path: Path) -> None:
    tokens = Tokens(is_open=True)
    application = new_server(list, tokens, web_role(tokens, tmp_path))
    _routes(application)
    async with served(application) as client:
        assert await _status(await client.post("/api/thing")) == 200
        for headers in (
            {"Host": "evil.example"},
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert await _status(await client.post("/api/thing", headers=headers)) == 403
        assert await _status(await client.get("/api/thing", headers={"Host": "evil.example"})) == 403
        assert await _status(await client.get("/healthz", headers={"Host": "10.0.0.1"})) == 200


async def test_until_the_tables_are_read_only_probes_and_the_login_answer(tmp_path: Path) -> None:
    application = new_server(list, TOKENS, web_role(TOKENS, tmp_path, ready=False))
    _routes(application)
    async with served(application) as client:
        async with client.get("/api/thing", headers=bearer(VIEW)) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert "the flows" in await answer.text()
        assert await _status(await client.get("/login")) == 200
