"""Links of other tools become ours, each change with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.flows.config import parse
from app.flows.lint import lint
from app.imports.dates import our_date
from app.imports.offer import offered
from app.imports.place import add
from app.imports.tool import IDS, ToolFault, macros_of, read_tool, tools
from app.imports.translate import Imported, translate
from app.leads.events import LeadEvent, decode
from app.leads.fold import preview_lead
from app.templates.facts import Facts
from app.templates.names import is_known
from app.templates.program import compile_template
from app.templates.scan import Macro, macro_of

KEITARO = (
    "https://ad.example/pb?cid={external_id}&s={status: lead=install sale=bill}&p={revenue}"
    "&d={date:Y-m-d H:i,Europe/Kyiv}&x={_subid}&k={profit}"
)


def kinds(imported: Imported) -> dict[str, str]:
    return {change.theirs: change.kind for change in imported.changes}


@pytest.mark.parametrize(
    ("tool", "link", "template"),
    [
        (
            "keitaro",
            KEITARO,
            "https://ad.example/pb?cid={tag.external_id}"
            "&s={status|map:new=install,hold=install,approve=bill,cancel=rejected,trash=rejected}&p={price}"
            "&d={time|date:%Y-%m-%d %H:%M,Europe/Kyiv}&x={_click}&k={tag.profit}",
        ),
        (
            "keitaro",
            "https://tr.example/5bfa0f7/postback?subid={aff_sub}&status={state}&payout={commission}&x={other}",
            "https://tr.example/5bfa0f7/postback?subid={click}"
            "&status={status|map:new=lead,hold=lead,approve=sale,cancel=rejected,trash=rejected}"
            "&payout={price}&x={tag.other}",
        ),
        ("keitaro", "https://a.example/?t={date:U}&i={sub_id_12}", "https://a.example/?t={time}&i={sub12}"),
        (
            "altercpa",
            "https://a.example/?c={click}&s={stage}&m={cash}&u={subid2}|POST|n={name}",
            "https://a.example/?c={click}&s={stage|map:new=wait,hold=hold,approve=approve,cancel=cancel,trash=trash}&m={cash}&u={sub2}|POST|n={name}",
        ),
        (
            "binom",
            "https://a.example/?c={externalid}&p={payout}&s={cnv_status}&cur={cnv_currency}&t={t7}",
            "https://a.example/?c={tag.external_id}&p={price}&s={status}&cur={currency}&t={sub7}",
        ),
        (
            "voluum",
            "https://t.voluumtrk.com/postback?cid=REPLACE&payout=OPTIONAL&txid=OPTIONAL",
            "https://t.voluumtrk.com/postback?cid={click}&payout={price}&txid={id}",
        ),
        (
            "voluum",
            "https://a.example/?c={externalid}&p={payout:raw}&x={txid}&v={var3:hash}&i={connection.type}",
            "https://a.example/?c={tag.external_id}&p={_price}&x={id}&v={sub3}&i={tag.connection.type}",
        ),
        (
            "redtrack",
            "https://a.example/?c={ref_id}&p={payout}&t={type}&e={rdtk_event_id}",
            "https://a.example/?c={tag.ref_id}&p={price}&t={event}&e={event_id}",
        ),
        (
            "affise",
            "https://a.example/?c={sub2}&p={sum}&s={status}&t={timestamp}&d={date_only}&f={custom_field_2}",
            "https://a.example/?c={sub2}&p={price}&s={status|map:new=2,hold=5,approve=1,cancel=3,trash=3}"
            "&t={time}&d={time|date:%Y-%m-%d}&f={tag.custom_field2}",
        ),
    ],
)
def test_a_link_is_known_by_its_macros_and_becomes_ours(tool: str, link: str, template: str) -> None:
    imported = translate(link)
    assert imported.tool is not None
    assert (imported.tool.id, imported.template, imported.fault) == (tool, template, None)
    assert imported.why


def test_each_change_is_said_and_what_has_no_counterpart_is_named() -> None:
    imported = translate(KEITARO)
    assert kinds(imported) == {
        "{external_id}": "check",
        "{status: lead=install sale=bill}": "changed",
        "{revenue}": "changed",
        "{date:Y-m-d H:i,Europe/Kyiv}": "check",
        "{_subid}": "changed",
        "{profit}": "missing",
    }
    told = {change.theirs: change.told() for change in imported.changes}
    assert "leads have to bring it as the tag external_id" in told["{external_id}"]
    assert told["{revenue}"] == "{revenue} → {price}: what is paid for the conversion"
    assert told["{profit}"].startswith("{profit} has no counterpart: the revenue minus the cost of the click")
    assert all("\n" not in line for line in told.values())
    assert imported.needs_a_person
    assert not translate("https://a.example/?c={subid}&p={revenue}").needs_a_person


def test_a_status_of_keitaro_without_counterpart_is_named() -> None:
    (change,) = translate("https://a.example/?s={status:lead=1 sale=2 rebill=3}").changes
    assert change.ours == "{status|map:new=1,hold=1,approve=2,cancel=rejected,trash=rejected}"
    assert "rebill=3 has no status of ours" in change.says


def test_words_with_marks_of_ours_stay_words() -> None:
    (change,) = translate(r"https://a.example/?s={status:lead=a=b sale=x,y\z}", tools()["keitaro"]).changes
    assert change.ours.startswith(r"{status|map:new=a\=b,hold=a\=b,approve=x\,y\\z,")


def test_a_networks_link_to_a_tracker_has_the_networks_macros_and_the_trackers_parameters() -> None:
    link = "https://t.example/5bfa0f7/postback?subid={click_ref}&status={status}&payout={sum}&sale_status=1"
    imported = translate(link)
    assert imported.tool is not None
    assert imported.tool.id == "affise"
    assert "subid={click}&status={status|map:new=2,hold=5,approve=1," in imported.template
    assert kinds(imported) == {"{click_ref}": "check", "{status}": "changed", "{sum}": "changed"}


def test_where_the_receiver_is_told_the_words_ours_are_sent() -> None:
    for told in ("{status}", "{st}"):
        link = f"https://t.example/5bfa0f7/postback?subid={{s1}}&status={told}&sale_status=1&lead_status=2"
        imported = translate(link)
        assert "&status={status}&" in imported.template
        assert any("lead_status, sale_status tell Keitaro" in change.says for change in imported.changes)


def test_a_link_that_two_tools_would_read_otherwise_says_so() -> None:
    imported = translate("https://a.example/?c={clickid}&s={status}")
    assert imported.tool is not None
    assert imported.rivals
    assert imported.needs_a_person
    affise = translate(imported.link, tools()["affise"])
    assert "approve=1" in affise.template
    assert not affise.rivals
    assert not translate("https://a.example/?c={clickid}&p={payout}").rivals  # all that have both read it so


def test_what_the_browser_encoded_is_a_macro_again() -> None:
    link = (
        "https://a.example/?a=%7Brevenue%7D&b=%7b_subid%7d&c=%41&d=%7Bemail%7Csha256%7D&e=%7Bprice|round:2%7D"
    )
    assert translate(link).template == (
        "https://a.example/?a={price}&b={_click}&c=%41&d={email|sha256}&e={price|round:2}"
    )


def test_placeholders_of_no_known_tool_are_named() -> None:
    imported = translate(
        "https://a.example/?c=[CLICK_ID]&d=#SUM#&e={unheard_of}&f={email|sha256}&g={nope|lower}"
    )
    assert imported.template.endswith(
        "?c=[CLICK_ID]&d=#SUM#&e={tag.unheard_of}&f={email|sha256}&g={nope|lower}"
    )
    assert kinds(imported) == {
        "[CLICK_ID]": "missing",
        "#SUM#": "missing",
        "{unheard_of}": "missing",
        "{email|sha256}": "kept",
        "{nope|lower}": "check",
    }


@pytest.mark.parametrize(
    "link", ["", "no link", "https://{current_domain}/x", "https://a.example/?a={_revenue|"]
)
def test_what_cannot_be_compiled_says_why(link: str) -> None:
    imported = translate(link)
    assert (imported.fault is None) == (link == "https://a.example/?a={_revenue|")
    assert imported.needs_a_person or not imported.fault


def test_json_around_macros_stays_json() -> None:
    link = 'https://a.example/|JSON|{"a":{"b":"{subid}"},"c":[{revenue}]}'
    assert translate(link).template == 'https://a.example/|JSON|{"a":{"b":"{click}"},"c":[{price}]}'


def test_a_template_of_ours_stays_as_it_is() -> None:
    for file in sorted((Path(__file__).parents[2] / "app/demo/flows").glob("*.json")):
        for postback in json.loads(file.read_text())["postbacks"]:
            imported = translate(postback["template"])
            assert imported.template == postback["template"]
            assert {change.kind for change in imported.changes} <= {"kept", "check"}


def test_the_words_of_a_status_are_sent() -> None:
    event = decode(b'{"status":"approve","click":{"id":"c-1"},"price":3}', need_ids=False)
    assert isinstance(event, LeadEvent)
    program = compile_template(translate(KEITARO).template)
    facts = Facts(preview_lead(event), now_ms=0, time_ms=1_795_446_000_000)
    assert program.render(facts).link == (
        "https://ad.example/pb?cid=&s=bill&p=3&d=2026-11-23%2017%3A00&x=c-1&k="
    )


@pytest.mark.parametrize(
    ("link", "ids"),
    [
        ("https://graph.facebook.com/v26.0/1/events?em={subid}", ["meta-capi"]),
        ("https://tr.example/5bfa0f7/postback?subid={sub1}&status={status}&payout={sum}", ["keitaro"]),
        ("https://tr.example/postback?cid=REPLACE&payout=OPTIONAL&txid=OPTIONAL", ["voluum"]),
        ("https://rdtk.io/x?a={subid}", ["redtrack"]),
        ("https://a.rdtk.io/x?a={subid}", ["redtrack"]),
        ("https://nordtk.io/x?a={subid}", []),
        ("https://ad.example/pb?x={subid}", []),
        ("https://ad.example/zp?cid={external_id}&payout={payout}", []),
    ],
)
def test_a_link_is_offered_the_presets_of_its_receiver(link: str, ids: list[str]) -> None:
    assert [preset.id for preset in offered(translate(link))] == ids


def test_a_link_is_put_into_a_flow_of_either_form() -> None:
    template = "https://ad.example/pb?c={click}"
    for postbacks in (
        {"new": "https://a.example/"},
        [{"id": "new", "on": ["new"], "template": "https://a.example/"}],
    ):
        added = add({"flow_id": "F", "postbacks": postbacks}, [template, template], ["hold", "approve"])
        assert added.postbacks == ("ad-example", "ad-example-2")
        flow = parse(json.dumps(added.config).encode())
        assert [(one.id, one.on) for one in flow.postbacks] == [
            ("new", ("new",)),
            ("ad-example", ("hold", "approve")),
            ("ad-example-2", ("hold", "approve")),
        ]
    assert add({"flow_id": "F"}, ["no link"], ["new"]).postbacks == ("postback",)
    assert add({"flow_id": "F"}, [template], ["new"], "pb").postbacks == ("pb",)


def test_every_file_is_a_tool() -> None:
    folder = Path(__file__).parents[2] / "app/imports/data"
    assert {file.stem for file in folder.iterdir()} == set(IDS)


@pytest.mark.parametrize("tool", sorted(tools()))
def test_a_tools_table_has_sources_and_names_macros_of_ours(tool: str) -> None:
    made = tools()[tool]
    assert made.pages
    for name, known in macros_of(tool).items():
        if known.ours is not None:
            macro = macro_of(known.ours)
            assert isinstance(macro, Macro), name
            assert is_known(macro.name), name
            compile_template(f"https://a.example/?x={known.ours}")
    for ours in made.fields.values():
        assert macro_of(ours) is not None


@pytest.mark.parametrize("tool", sorted(tools()))
def test_what_is_made_of_a_tools_macros_raises_no_alarm(tool: str) -> None:
    pairs = "&".join(f"p{index}={{{name}}}" for index, name in enumerate(macros_of(tool)))
    imported = translate(f"https://a.example/?{pairs}", tools()[tool])
    assert imported.fault is None
    on = ["new", "hold", "approve", "cancel", "trash"]
    config = add({"flow_id": "F"}, [imported.template], on).config
    assert lint(json.dumps(config).encode(), lambda _: None) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id = 1", "Expected `str`"),
        (b"\xff", "utf-8"),
        (b"id = ", "Invalid"),
    ],
)
def test_a_tools_file_that_is_wrong_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ToolFault, match=said):
        read_tool("x", content)


def test_a_name_that_stands_twice_is_refused() -> None:
    content = (Path(__file__).parents[2] / "app/imports/data/redtrack.toml").read_text()
    with pytest.raises(ToolFault, match="'ref_id' stands twice"):
        read_tool("redtrack", content.replace('["payout"]', '["payout", "ref_id"]').encode())
    with pytest.raises(ToolFault, match="id is 'redtrack'"):
        read_tool("other", content.encode())


@pytest.mark.parametrize(
    ("php", "ours", "missing"),
    [
        ("Y-m-d H:i:s", "%Y-%m-%d %H:%M:%S", []),
        ("d.m.y\\Th A", "%d.%m.%yT%I %p", []),
        ("N-jS Y 100%", "- %Y 100%%", ["N", "j", "S"]),
        ("c", "%Y-%m-%dT%H:%M:%S%:z", []),
    ],
)
def test_dates_of_php_are_written_in_our_codes(php: str, ours: str, missing: list[str]) -> None:
    assert our_date(php) == (ours, missing)
