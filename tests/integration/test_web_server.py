"""The worker's pages over HTTP."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from app.web.server import is_loopback, listen, new_server


async def test_probes_are_open_and_metrics_need_the_token_where_there_is_one() -> None:
    missing: list[str] = ["join: the flows"]
    runner = await listen(new_server(lambda: missing, "s3cret"), "127.0.0.1", 0)
    host, port = runner.addresses[0]
    try:
        async with ClientSession(f"http://{host}:{port}") as session:
            async with session.get("/healthz") as answer:
                assert answer.status == 200
            async with session.get("/readyz") as answer:
                assert (answer.status, await answer.text()) == (503, "join: the flows\n")
            missing.clear()
            async with session.get("/readyz") as answer:
                assert answer.status == 200
            for given, status in ((None, 401), ("Bearer other", 401), ("Bearer s3cret", 200)):
                headers = {"Authorization": given} if given else {}
                async with session.get("/metrics", headers=headers) as answer:
                    assert answer.status == status
                    assert ("python_gc_objects" in await answer.text()) == (status == 200)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("127.0.0.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("10.0.0.1", False), ("worker.example", False)],
)  # fmt: skip
def test_only_loopback_is_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone
