"""Whatever is asked of the API, as its own document describes it or not quite: no 500, no answer untold."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.web.api.openapi import document
from app.web.api.table import ROUTES
from tests.web import EDIT, VIEW, web_dev

pytestmark = [pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]

_EXAMPLES = 20  # of each route and mode
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_IDS = {"flow_id": "F-1", "lead_id": "L-1", "request_id": ""}


@dataclass
class Served:
    """A running installation with a flow, a lead and its request in it."""

    address: str
    ids: dict[str, str]


def _ask(method: str, address: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    asked = Request(address, data, {"Authorization": f"Bearer {EDIT}"}, method=method)
    with urlopen(asked, timeout=10) as answer:
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with web_dev(tmp_path_factory.mktemp("dev")) as started:
        address = started.address
        flow = {"flow_id": "F-1", "postbacks": {"any": "http://127.0.0.1:9/?c={click}"}}
        _ask("PUT", f"{address}/api/flows/F-1", flow)
        rows: list[dict[str, Any]] = []
        for number in range(100):  # until JOIN has the flow
            event = {"event_id": f"e-{number}", "lead_id": "L-1", "flow_id": "F-1", "status": "new"}
            _ask("POST", f"{address}/api/lead-events", {**event, "customer": {"phone": "+380501234567"}})
            rows = _ask("GET", f"{address}/api/postbacks?flow=F-1&outcome=blocked&outcome=failed")["data"]
            if rows:
                break
            time.sleep(0.3)
        yield Served(address, {**_IDS, "request_id": rows[0]["request_id"]})


def _operation(route: str) -> Any:
    """One operation of the document, by method and path."""
    method, path = route.split(" ")
    return schemathesis.openapi.from_dict(document(ROUTES))[path][method]


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as told", "not quite"]
)
@pytest.mark.parametrize("route", [f"{route.method} {route.path}" for route in ROUTES])
def test_no_answer_is_a_500_or_another_than_the_document_says(
    running: Served, route: str, mode: GenerationMode
) -> None:
    operation = _operation(route)
    statuses: Counter[int] = Counter()
    cases = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, token=st.sampled_from([EDIT, EDIT, VIEW]), real=st.booleans())
    def ask(case: Any, token: str, real: bool) -> None:
        if real:
            for name in case.path_parameters or {}:
                case.path_parameters[name] = running.ids[name]
        headers = {"Authorization": f"Bearer {token}"}
        answer = case.call_and_validate(base_url=running.address, headers=headers, checks=_CHECKS)
        statuses[answer.status_code] += 1

    ask()
    assert statuses.keys() - {401, 403}, statuses  # it got behind the gate
