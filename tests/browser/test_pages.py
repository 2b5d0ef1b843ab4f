"""The pages as a person uses them: filters, Show, live rows, a lead, the overview; with strangers' worst."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from app.queries.filters import TAGS
from tests.browser.conftest import EMAIL, HOSTILE, HOSTILE_NAME, Opened, Site, event
from tests.web import VIEW

pytestmark = [pytest.mark.browser, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]
LOG = "/logs/outgoing-postbacks"
_FILTERS = {
    "flow": "F-7",
    "postback": "network",
    "lead": "L-1003",
    "click": "c-L-1004",
    "host": "127.0.0.1",
    "event": "approve",
    "code": "404",
    "text": "said",
    "lead_flow": "F-7",
    "since": "2h",
    "until": "2099-01-01",
    **{tag: f"{tag.removeprefix('utm_')}-L-1005" for tag in TAGS if tag != "subid"},
    "subid": "sub-L-1005",
}


def leads_on(page: Page) -> list[str]:
    """The leads of the rows that a page shows."""
    return page.locator("tbody tr:not(.shown) td.c-lead").all_inner_texts()


def open_show(page: Page, query: str) -> None:
    page.goto(f"{LOG}?{query}")
    page.locator("a.show").first.click()
    page.locator("tr.shown").wait_for()


def test_an_empty_system_says_how_to_begin(site: Site) -> None:
    assert "Paste a link" in site.empty
    assert "leads send -" in site.empty


@pytest.mark.parametrize("name", _FILTERS)
def test_every_filter_is_in_the_address_and_finds_what_the_api_finds(
    site: Site, opened: Opened, name: str
) -> None:
    page = opened()
    page.goto(LOG)
    if not page.locator(f"input[name={name}]").is_visible():
        page.locator("details.more > summary").click()
    page.locator(f"input[name={name}]").fill(_FILTERS[name])
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**?*")
    assert parse_qsl(urlsplit(page.url).query) == [(name, _FILTERS[name])]
    found = site.api(f"/api/postbacks?limit=50&{name}={quote(_FILTERS[name])}")["data"]
    assert found
    assert leads_on(page) == [_seen(row["lead_id"]) or "–" for row in found]
    expect(page.locator(f"input[name={name}]")).to_have_value(_FILTERS[name])


def _seen(text: str) -> str:
    return text.replace("\u202e", "⟨U+202E⟩").replace("\x1b", "⟨U+001B⟩")


def test_outcomes_are_chosen_by_keyboard_and_pages_hold_each_row_once(site: Site, opened: Opened) -> None:
    page = opened()
    page.goto(LOG)
    for outcome in ("failed", "retrying"):
        page.locator(f"input[value={outcome}]").focus()
        page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**outcome=**")
    assert parse_qsl(urlsplit(page.url).query) == [("outcome", "retrying"), ("outcome", "failed")]
    page.goto(f"{LOG}?until=2099-01-01")
    links = [link.get_attribute("href") for link in page.locator("a.show").all()]
    while page.get_by_role("link", name="Older").count():
        page.get_by_role("link", name="Older").click()
        page.wait_for_url("**before=**")
        links += [link.get_attribute("href") for link in page.locator("a.show").all()]
        assert len(links) < 1000
    assert len(links) == len(site.rows())
    refused = page.request.get(f"{LOG}?code=abc")
    assert refused.status == 422
    assert "write 404 or 5xx" in refused.text()


def test_show_opens_below_its_row_and_tells_what_went_what_came_back_and_why(
    site: Site, opened: Opened
) -> None:
    page = opened()
    open_show(page, "postback=network&lead=L-1002")
    shown = page.locator("tr.shown")
    expect(shown).to_contain_text("Attempt 1")
    expect(shown).to_contain_text("404")
    expect(shown).to_contain_text("token=•••")
    expect(shown).not_to_contain_text("aVerySecretToken")
    expect(shown).to_contain_text("Postback network of flow F-7 fires on approve; this was approve.")
    expect(shown).to_contain_text("geo: UA or PL")
    expect(shown).to_contain_text(re.compile("Fingerprint [0-9a-f]{16}"))
    expect(shown).to_contain_text("means final: the default rule 4xx")
    expect(shown.locator(".timeline li.is-event")).to_have_count(2)
    expect(page.locator("a.show").first).to_have_attribute("aria-expanded", "true")
    shown.get_by_text("curl", exact=True).click()
    assert "token=SECRET" in shown.locator(".curl pre").inner_text()
    shown.get_by_role("button", name="Close").click()
    expect(page.locator("tr.shown")).to_have_count(0)
    page.keyboard.press("Enter")
    page.locator("tr.shown").wait_for()
    page.keyboard.press("Tab")
    page.locator("tr.shown button").first.focus()
    page.keyboard.press("Escape")
    expect(page.locator("tr.shown")).to_have_count(0)


def test_send_again_is_sent_once_more_and_an_unchanged_request_names_the_other(
    site: Site, opened: Opened
) -> None:
    page = opened()
    before = sum("c=c-L-1007" in path and "/404" in path for path in site.seen)
    open_show(page, "postback=network&lead=L-1007")
    page.locator("details.again > summary").click()
    page.get_by_role("button", name="Send it again now").click()
    expect(page.locator(".again-said")).to_contain_text("replay 1")
    rows = site.rows("postback=network&lead=L-1007", 2)
    assert sorted(row["replay"] for row in rows) == [0, 1]
    assert sum("c=c-L-1007" in path and "/404" in path for path in site.seen) == before + 1
    site.send({**event("L-1007", "approve"), "event_id": "once more"})
    site.rows("lead=L-1007&outcome=skipped&postback=network")
    open_show(page, "lead=L-1007&outcome=skipped&postback=network")
    page.get_by_role("link", name="The request that says the same").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("network")


def test_live_rows_appear_above_and_are_told_to_who_does_not_see_them(site: Site, opened: Opened) -> None:
    page = opened()
    page.goto(f"{LOG}?postback=tracker")
    page.get_by_role("button", name="Live").click()
    expect(page.locator("#tail-said")).to_contain_text("new rows appear above")
    site.send(event("L-live"))
    expect(page.locator("#rows tr").first).to_contain_text("L-live")
    expect(page.locator("#tail-said")).to_contain_text("New rows above: 1.")
    page.locator("a.show").first.click()
    page.locator("tr.shown").wait_for()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#tail-said")).to_contain_text("off")


def test_what_strangers_wrote_is_text_everywhere(site: Site, opened: Opened) -> None:
    page = opened()
    [row] = site.rows("outcome=delivered&flow=" + quote(f"F {HOSTILE_NAME}"))
    addresses = [
        "/?span=1h",
        f"{LOG}?flow=" + quote(f"F {HOSTILE_NAME}"),
        f"{LOG}?text=" + quote(HOSTILE) + "&utm_source=" + quote(HOSTILE),
        f"{LOG}/{row['request_id']}",
        "/leads/" + quote(row["lead_id"], safe=""),
    ]
    for address in addresses:
        page.goto(address)
        assert page.evaluate("window.owned") is None
        assert not {"\u202e", "\x1b"} & set(page.inner_text("body"))
        assert not page.locator("img, main a[href^='javascript' i], main a[href^='http']").count()
        assert ">49" not in page.content()
    page.goto(f"{LOG}/{row['request_id']}")
    assert "<script>window.owned=1</script>" in page.inner_text("main")
    assert "⟨U+202E⟩" in page.inner_text("main")
    open_show(page, "flow=" + quote(f"F {HOSTILE_NAME}"))
    assert page.evaluate("window.owned") is None


def test_a_viewer_sees_no_phone_no_email_and_sends_nothing_again(site: Site, opened: Opened) -> None:
    page = opened(VIEW)
    [row] = site.rows("lead=L-1003&postback=tracker")
    for address in (f"{LOG}?lead=L-1003", f"{LOG}/{row['request_id']}", "/leads/L-1003"):
        page.goto(address)
        content = page.content()
        assert "•••" in content
        assert EMAIL.lower() not in content.lower()
        assert quote(EMAIL).lower() not in content.lower()
        assert not re.search(r"50\D{0,3}123\D{0,3}45\D{0,3}67", content)
        assert page.get_by_text("Send again").count() == 0
    for ending in ("csv", "jsonl"):
        file = site.api(f"{LOG}.{ending}?lead=L-1003", token=VIEW)
        assert "c-L-1003" in file
        assert not re.search(r"example\.com|50\D{0,3}123\D{0,3}45", file.replace("%20", " "))
    assert EMAIL.lower() in site.api(f"{LOG}.csv?lead=L-1003").replace("%40", "@").lower()


def test_without_script_the_log_is_filtered_paged_and_shown(opened: Opened) -> None:
    page = opened(script=False)
    page.goto(LOG)
    page.locator("input[name=lead]").fill("L-1002")
    page.get_by_role("button", name="Filter").click()
    assert set(leads_on(page)) == {"L-1002"}
    page.locator("a.show").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("Attempts and answers")).to_be_visible()


def test_a_phone_shows_all_of_it_without_scrolling_sideways(site: Site, opened: Opened) -> None:
    page = opened(width=390)
    [row] = site.rows("outcome=delivered&flow=" + quote(f"F {HOSTILE_NAME}"))
    for address in ("/", LOG, f"{LOG}/{row['request_id']}", "/leads/L-1003"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
    open_show(page, "flow=" + quote(f"F {HOSTILE_NAME}"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(opened: Opened, axe: str, scheme: str, screenshots: Path | None) -> None:
    page = opened(scheme=scheme)
    views: dict[str, Any] = {
        "overview": lambda: page.goto("/?span=1h"),
        "log": lambda: page.goto(LOG),
        "show": lambda: open_show(page, "lead=L-1003&postback=tracker"),
        "request": lambda: page.goto(page.locator("tr.shown a.button").first.get_attribute("href") or ""),
        "lead": lambda: page.goto("/leads/L-1003"),
    }
    for name, show in views.items():
        show()
        page.wait_for_load_state("networkidle")
        found = _run(page, axe)
        serious = [
            (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], f"{name}, {scheme}: {json.dumps(serious, indent=1)}"
        if screenshots is not None and name != "request":
            page.screenshot(path=screenshots / f"{name}-{scheme}.png")


def _run(page: Page, axe: str) -> list[dict[str, Any]]:
    page.evaluate(axe)  # through the debugger: the page's own policy lets no such script in
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    return found
