"""The flow editor as a media buyer uses it: from pasting a link to pressing Show, by keyboard, on a phone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HOSTILE, Opened, Site, event
from tests.web import VIEW

pytestmark = [pytest.mark.browser, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]


def link_of(site: Site, path: str = "/200/pb") -> str:
    """A link to the receiver."""
    return f"http://127.0.0.1:{site.receiver.server_port}{path}"


def new_flow(page: Page, flow_id: str, **links: str) -> None:
    """A flow made on the page and saved."""
    page.goto("/new-flow")
    page.get_by_label("Flow id").fill(flow_id)
    for name, link in links.items():
        page.locator(f"[id='f-add.{name}']").fill(link)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")


def test_from_pasting_a_link_to_pressing_show(site: Site, opened: Opened) -> None:
    page = opened()
    page.goto("/flows")
    page.get_by_role("link", name="New flow").click()
    page.get_by_label("Flow id").fill("F-story")
    field = page.locator("[id='f-add.new']")
    expect(field).to_have_attribute("aria-autocomplete", "list")  # its script has begun
    field.fill(link_of(site) + '|JSON|{"foo":"bar","click":"')
    field.press("End")
    field.press_sequentially("{cli")
    options = page.locator("#completions [role=option]")
    expect(options.first).to_contain_text("click id")
    field.press("Enter")
    field.press_sequentially('"')
    field.press_sequentially("}")
    expect(field).to_have_value(link_of(site) + '|JSON|{"foo":"bar","click":"{click}"}')
    expect(options).to_have_count(0)
    preview = page.get_by_label("Preview of new")
    expect(preview.locator("mark", has_text="c-9f3a7e")).to_have_attribute("title", "{click}")
    expect(preview).to_contain_text('{"foo":"bar","click":"c-9f3a7e"}')
    expect(field).to_be_focused()

    seen = len(site.seen)
    preview.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("It took it")).to_be_visible()
    assert len(site.seen) == seen + 1
    assert site.rows("flow=F-story", 0) == []

    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    site.send(event("L-story", flow="F-story"))
    site.rows("flow=F-story&outcome=delivered")
    page.get_by_role("link", name="Its postbacks in the log").click()
    page.locator("a.show").first.click()
    expect(page.locator("tr.shown")).to_contain_text('"click": "c-L-story"')

    page.goto("/flows/F-story")
    page.get_by_label("With the values of").fill("L-story")
    expect(page.get_by_label("Preview of new").locator("mark")).to_have_text("c-L-story")


def test_a_preset_is_chosen_filled_in_and_saved(site: Site, opened: Opened, axe: str) -> None:
    page = opened(width=390)
    page.goto("/new-flow")
    page.get_by_label("Flow id").fill("F-preset")
    page.locator("[id='f-add.new']").fill(link_of(site))
    page.locator("[id='f-add.hold']").fill("https://graph.facebook.com/v20.0/1/events?id={click}")
    expect(page.locator("#checked")).to_contain_text("v20.0 of Meta Conversions API ended on 2026-09-24")
    page.get_by_label("Preview of hold").get_by_role("button", name="Meta Conversions API").click()
    preset = page.locator("#preset")
    expect(preset).to_contain_text("POSTBACKS_SECRET_META_TOKEN")
    page.locator("[id='f-add.hold']").fill("")
    page.locator("#gallery").get_by_role("button", name="Telegram").click()
    expect(preset).to_contain_text("POSTBACKS_SECRET_TELEGRAM_TOKEN")
    page.locator("#gallery").get_by_role("button", name="Meta Conversions API").click()
    expect(preset).to_contain_text("POSTBACKS_SECRET_META_TOKEN")
    expect(preset).to_contain_text("Where to find it: Events Manager")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run()).violations")
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    preset.get_by_label(re.compile("Pixel")).fill("pixel")
    preset.get_by_role("button", name="Insert it into the flow").click()
    expect(page.get_by_role("alert")).to_contain_text("Not inserted")
    expect(preset.locator(".error").first).to_contain_text("is not of the form of")
    preset.get_by_label(re.compile("Pixel")).fill("1234567890")
    preset.get_by_label(re.compile("Address of the page")).fill("https://land.example/")
    preset.get_by_role("button", name="Insert it into the flow").click()
    expect(page.get_by_role("status").first).to_contain_text("Inserted Meta Conversions API, not saved yet")
    expect(page.get_by_label("Preview of meta-capi-lead")).to_contain_text("graph.facebook.com")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    saved = site.api("/api/flows/F-preset")["config"]
    assert saved["params"]["pixel"] == "1234567890"
    assert [one["id"] for one in saved["postbacks"]] == ["new", "meta-capi-lead", "meta-capi-purchase"]


def test_a_keitaro_link_is_pasted_explained_inserted_and_saved(site: Site, opened: Opened) -> None:
    page = opened()
    page.goto("/new-flow")
    page.get_by_label("Flow id").fill("F-import")
    page.get_by_text("Paste a link of another tracker").click()
    page.get_by_label("Its link").fill(
        link_of(site) + "?c={subid}&s={status: lead=install sale=bill}&p={revenue}&k={profit}"
    )
    page.get_by_role("button", name="Translate").click()
    said = page.locator("#imported")
    expect(said).to_contain_text("Read as Keitaro’s: {subid}, {status: lead=install sale=bill}, {revenue}.")
    expect(said).to_contain_text("{revenue} → {price}: what is paid for the conversion")
    expect(said).to_contain_text("{profit} has no counterpart")
    said.get_by_role("button", name="Insert it").click()
    expect(page.get_by_role("status").first).to_contain_text("Inserted under approve, not saved yet")
    preview = page.get_by_label("Preview of approve")
    expect(preview.locator("mark", has_text="bill")).to_have_attribute("title", re.compile("status.map"))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    saved = site.api("/api/flows/F-import")["config"]["postbacks"]["approve"]
    assert saved == link_of(site) + (
        "?c={click}&s={status|map:new=install,hold=install,approve=bill,cancel=rejected,trash=rejected}"
        "&p={price}&k={tag.profit}"
    )


def test_what_is_wrong_is_said_while_it_is_typed_and_nothing_is_saved(opened: Opened) -> None:
    page = opened()
    page.goto("/new-flow")
    page.get_by_label("Flow id").fill("F-wrong")
    field = page.locator("[id='f-add.approve']")
    field.fill("https://t.example/?c={click|sha265}")
    said = page.locator("#checked")
    expect(said).to_contain_text('the nearest known one is "sha256"')
    expect(field).to_be_focused()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Not saved")
    field = page.locator("[id='f-add.approve']")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("https://t.example/?c={click|sha265}")
    field.fill("https://t.example/?c={clik}")
    expect(said).to_contain_text("the nearest known name is {click}")
    expect(said.locator(".verdict")).to_contain_text("It can be saved")


def test_the_second_of_two_editors_looks_before_anything_is_overwritten(site: Site, opened: Opened) -> None:
    first, second = opened(), opened()
    new_flow(first, "F-two", new="https://a.example/", hold="https://b.example/")
    for page in (first, second):
        page.goto("/flows/F-two")
    first.locator("[id='f-p0.template']").fill("https://first.example/")
    first.get_by_role("button", name="Save", exact=True).click()
    expect(first.get_by_role("status").first).to_contain_text("Saved")
    second.locator("[id='f-p1.template']").fill("https://second.example/")
    second.get_by_role("button", name="Save", exact=True).click()
    expect(second.get_by_role("heading", name="Two edits at once")).to_be_visible()
    expect(second.get_by_label("What they changed")).to_contain_text("https://first.example/")
    expect(second.locator("[id='f-p1.template']")).to_have_value("https://second.example/")
    assert site.api("/api/flows/F-two")["config"]["postbacks"]["hold"] == "https://b.example/"
    second.get_by_role("button", name="Save", exact=True).click()
    expect(second.get_by_role("status").first).to_contain_text("Saved")
    assert site.api("/api/flows/F-two")["config"]["postbacks"] == {
        "new": "https://first.example/",
        "hold": "https://second.example/",
    }


def test_completion_is_used_by_keyboard_and_gone_by_escape(opened: Opened) -> None:
    page = opened()
    page.goto("/new-flow")
    field = page.locator("[id='f-add.new']")
    expect(field).to_have_attribute("aria-autocomplete", "list")  # likewise
    field.fill("https://t.example/?e=")
    field.press("End")
    field.press_sequentially("{")
    expect(page.locator("#completions [role=option]").first).to_be_visible()
    field.press_sequentially("utm_")
    field.press("ArrowDown")
    chosen = page.locator("#completions [aria-selected=true]")
    expect(chosen).to_contain_text("utm_campaign")
    expect(field).to_have_attribute("aria-activedescendant", str(chosen.get_attribute("id")))
    field.press("Tab")
    expect(field).to_have_value("https://t.example/?e={utm_campaign}")
    expect(field).to_be_focused()
    field.press_sequentially("&f={email|sh")
    expect(page.locator("#completions [role=option]").first).to_contain_text("SHA-256")
    field.press("Escape")
    expect(page.locator("#completions [role=option]")).to_have_count(0)
    expect(field).to_have_value("https://t.example/?e={utm_campaign}&f={email|sh")


def test_a_postback_is_parked_and_released_while_its_page_tells_how_far(site: Site, opened: Opened) -> None:
    page = opened()
    new_flow(page, "F-park", new=link_of(site, "/200/parked") + "?l={id}")
    page.get_by_role("link", name="Park").click()
    page.get_by_label("Why?").fill("pixel moves")
    page.get_by_role("button", name="Park it").click()
    expect(page.get_by_text("pixel moves")).to_be_visible()
    page.wait_for_timeout(1200)  # a worker sees a state within a second
    site.send(*(event(f"L-p{number}", flow="F-park") for number in range(5)))
    site.rows("flow=F-park&outcome=parked", 5)
    page.reload()
    expect(page.get_by_text("5 requests wait")).to_be_visible()
    page.get_by_role("button", name="Release 5").click()
    expect(page.get_by_text("5 were released; it is active.")).to_be_visible(timeout=40_000)
    assert sum("/200/parked" in path for path in site.seen) == 5
    page.reload()
    expect(page.get_by_text("0 requests wait")).to_be_visible()


def test_what_strangers_wrote_is_text_in_the_editor_too(site: Site, opened: Opened) -> None:
    for token in ("", VIEW):
        page = opened(token) if token else opened()
        hostile = [one["flow_id"] for one in site.api("/api/flows")["data"] if "<script>" in one["flow_id"]]
        for path in ("/flows", *(f"/flows/{quote(flow_id, safe='')}" for flow_id in hostile)):
            page.goto(path)
            assert hostile
            assert page.evaluate("window.owned") is None
            assert page.locator("img").count() == 0
    page = opened()
    page.goto("/new-flow")
    page.get_by_label("Flow id").fill("F-hostile")
    page.get_by_label("Name").first.fill(HOSTILE)
    page.locator("[id='f-add.new']").fill(f"https://t.example/?x={HOSTILE}&c={{click}}")
    page.get_by_label("With the values of").fill(HOSTILE)
    expect(page.locator("#checked .note").first).to_contain_text("There is no lead")
    expect(page.locator("#checked")).to_contain_text("c-9f3a7e")
    assert page.evaluate("window.owned") is None


def test_without_script_a_flow_is_made_checked_and_saved(site: Site, opened: Opened) -> None:
    page = opened(script=False)
    page.goto("/new-flow")
    page.get_by_label("Flow id").fill("F-plain")
    page.locator("[id='f-add.new']").fill("https://t.example/?c={click}")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_label("Preview of new")).to_contain_text("c-9f3a7e")
    page.get_by_role("button", name="JSON").click()
    expect(page.get_by_label("The config as it is stored")).to_have_value(re.compile("F-plain"))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    assert site.api("/api/flows/F-plain")["config"]["postbacks"] == {"new": "https://t.example/?c={click}"}


def test_a_phone_edits_a_flow_without_scrolling_sideways(opened: Opened) -> None:
    page = opened(width=390)
    for path in ("/flows", "/new-flow", "/flows/F-7", "/flows/F-7/history", "/flows/F-7/parked/tracker"):
        page.goto(path)
        for details in page.locator("main details > summary").all():
            details.click()
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_of_the_editor_keeps_anybody_out(
    site: Site, opened: Opened, axe: str, scheme: str, screenshots: Path | None
) -> None:
    for token, width in ((None, 1280), (VIEW, 390)):
        more: dict[str, Any] = {} if token is None else {"token": token}
        page = opened(width=width, scheme=scheme, **more)
        for name, path in (
            ("flows", "/flows"),
            ("flow", "/flows/F-7"),
            ("flow-json", "/flows/F-7?as=json"),
            ("flow-history", "/flows/F-7/history"),
            ("flow-parked", "/flows/F-7/parked/tracker"),
        ):
            page.goto(path)
            if screenshots is not None and token is None:
                page.screenshot(path=screenshots / f"{name}-{scheme}.png")
            for details in page.locator("main details > summary").all():
                details.click()
            page.evaluate(axe)  # through the debugger: the page's own policy lets no such script in
            found = page.evaluate("async () => (await axe.run()).violations")
            told = [
                (one["id"], [node["html"][:160] for node in one["nodes"]][:3])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert told == [], (path, token)
