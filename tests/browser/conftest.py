"""A whole installation with rows of every kind, strangers' worst among them, and a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.home import Dev
from tests.web import EDIT, bearer, web_dev

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>window.owned=1</script>\"'><img src=x onerror=window.owned=1>{{7*7}}\u202egpj.exe\x1b[31m"
HOSTILE_NAME = HOSTILE.partition("\u202e")[0]
PHONE, EMAIL = "+380 50 123 45 67", "Olha.Nova@Example.com"
_FAULTS = ("error", "warning")
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class _Answers(BaseHTTPRequestHandler):
    """A receiver whose answer is as its path says."""

    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        status = int(re.findall(r"^/(\d{3})", self.path)[0])
        body = json.dumps({"ok": status == 200, "said": HOSTILE, "phone": PHONE}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Said", "<script>window.owned=1</script>")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@dataclass
class Site:
    """The installation: its address, what its receiver got, the overview before anything was sent."""

    address: str
    running: Dev
    receiver: ThreadingHTTPServer
    seen: list[str]
    empty: str = ""

    def api(self, path: str, body: object = None, token: str = EDIT, method: str = "") -> Any:
        """What the API answers."""
        data = None if body is None else json.dumps(body).encode()
        headers = {**bearer(token), "Content-Type": "application/json"}
        request = urllib.request.Request(
            self.address + path, data, headers, method=method or ("POST" if data else "GET")
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from None
        return json.loads(text or "null") if path.startswith("/api/") else text.decode()

    def send(self, *events: Mapping[str, Any]) -> None:
        """Lead events, acknowledged."""
        self.api("/api/lead-events", list(events))

    def rows(self, query: str = "", n: int = 1) -> list[dict[str, Any]]:
        """At least so many rows of the log."""
        end_s = time.monotonic() + 40
        while True:
            found: list[dict[str, Any]] = self.api(f"/api/postbacks?limit=500&{query}")["data"]
            if len(found) >= n:
                return found
            assert time.monotonic() < end_s, (query, found, self.running.told())
            time.sleep(0.2)


def event(lead: str, status: str = "new", flow: str = "F-7", **more: Any) -> dict[str, Any]:
    """A lead event with something in each field."""
    told = {"event_id": f"{lead}-{status}", "lead_id": lead, "flow_id": flow, "status": status}
    tags = {f"utm_{name}": f"{name}-{lead}" for name in ("source", "campaign", "content", "term", "medium")}
    return {
        **told,
        "price": 12.5,
        "currency": "usd",
        "click": {"id": f"c-{lead}", "ip": "203.0.113.7", "ua": "Mozilla/5.0 (X11)", "geo": "UA"},
        "tags": {**tags, "subid": f"sub-{lead}"},
        "customer": {"name": "Olha", "phone": PHONE, "email": EMAIL},
        **more,
    }


def hostile_event() -> dict[str, Any]:
    """One whose every text is an attack."""
    texts = {name: f"{HOSTILE} {name}" for name in ("name", "comment")}
    return {
        "event_id": f"e {HOSTILE}",
        "lead_id": f"L {HOSTILE}",
        "flow_id": f"F {HOSTILE_NAME}",
        "status": "new",
        "reason": HOSTILE,
        "uid": HOSTILE,
        "click": dict.fromkeys(("id", "ip", "ua", "lang", "referer", "url"), HOSTILE),
        "tags": dict.fromkeys(
            (*(f"utm_{one}" for one in ("source", "campaign", "content", "term", "medium")), "subid"),
            f"javascript:alert(1) {HOSTILE}",
        ),
        "customer": {**texts, "phone": PHONE, "email": EMAIL},
        "meta": {HOSTILE: HOSTILE},
    }


def _flows(port: int) -> list[dict[str, Any]]:
    link = f"http://127.0.0.1:{port}"
    body = '{"click":"{click}","name":"{name}","phone":"{phone}","email":"{email}","payout":{price}}'
    all_of = "c={click}&n={name}&p={phone}&e={email}&s={utm_source}&r={referer}"
    return [
        {
            "flow_id": "F-7",
            "name": "Summer UA",
            "postbacks": [
                {"id": "tracker", "on": ["new"], "template": f"{link}/200/pb?{all_of}|JSON|{body}"},
                {"id": "network", "on": ["approve"], "when": {"geo": ["UA", "PL"]},
                 "template": f"{link}/404/pb?c={{click}}&token=aVerySecretToken1234567890"},
                {"id": "slow", "on": ["new"], "retry": {"max_attempts": 2, "waits_s": [1]},
                 "template": f"http://127.0.0.2:{port}/503/pb?c={{click}}"},
                {"id": "poland", "on": ["new"], "when": {"geo": "PL"}, "template": f"{link}/200/pl"},
            ],
        },
        {
            "flow_id": f"F {HOSTILE_NAME}",
            "name": HOSTILE_NAME,
            "postbacks": [
                {"id": HOSTILE_NAME, "on": ["new"], "template": f"{link}/200/pb?{all_of}|POST|n={{comment}}"}
            ],
        },
    ]  # fmt: skip


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation that has sent, failed, retried, skipped and rejected."""
    receiver = ThreadingHTTPServer(("0.0.0.0", 0), _Answers)
    seen: list[str] = []
    receiver.seen = seen  # type: ignore[attr-defined]
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with web_dev(tmp_path_factory.mktemp("dev"), POSTBACKS_ALLOW_NETWORKS="127.0.0.0/8") as running:
        made = Site(running.address, running, receiver, seen)
        made.empty = made.api("/")
        for flow in _flows(receiver.server_port):
            made.api(f"/api/flows/{quote(flow['flow_id'], safe='')}", flow, method="PUT")
        leads = [f"L-{number}" for number in range(1001, 1021)]
        made.send(*(event(lead) for lead in leads), hostile_event())
        made.rows("outcome=delivered", len(leads) + 1)
        made.send(*(event(lead, "approve") for lead in leads[:10]))
        made.send({"event_id": "x", "lead_id": "L-9999"})
        made.rows("outcome=failed", 10)
        made.rows("outcome=failed&postback=slow")  # a host that only fails is asked less and less
        made.rows("outcome=rejected")
        yield made
    receiver.shutdown()
    receiver.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium; `make setup-browser` installs it."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium: make setup-browser installs it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield started
        started.close()


def _is_fault(message: ConsoleMessage) -> bool:
    """A refused form is answered 409 or 422 with the page, which chromium notes as an error too."""
    refused = re.search(r"the server responded with a status of (409|422) ", message.text)
    return message.type in _FAULTS and refused is None


Opened = Callable[..., Page]


@pytest.fixture
def opened(site: Site, browser: Browser) -> Iterator[Opened]:
    """Opens pages as an editor (or with another token); no page may say anything on its console."""
    said: list[str] = []
    contexts = []

    def make(token: str = EDIT, width: int = 1280, scheme: Any = "light", script: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=script,
            base_url=site.address,
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if _is_fault(message) else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.goto("/login")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        return page

    yield make
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core as `make setup-browser` has fetched it."""
    path = ROOT / ".cache" / "axe" / "package" / "axe.min.js"
    if not path.exists():
        pytest.skip("axe-core is not there: make setup-browser fetches it")
    return path.read_text()


@pytest.fixture(scope="session")
def screenshots() -> Path | None:
    """Where screenshots go; None unless POSTBACKS_SCREENSHOTS is set."""
    folder = ROOT / "docs" / "screenshots"
    if not os.environ.get("POSTBACKS_SCREENSHOTS"):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return folder
