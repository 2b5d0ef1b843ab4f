"""A rendered request told in parts, and the help that goes with macros and filters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.leads.events import LeadEvent, decode
from app.leads.fold import preview_lead
from app.templates import filters, help, names
from app.templates.facts import Facts
from app.templates.fault import TemplateFault
from app.templates.program import compile_template
from app.templates.scan import macro_of
from app.templates.segments import Segment, text_of
from app.templates.text import show

_VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "vectors" / "templates.jsonl").read_text().splitlines()
]


def test_the_parts_of_a_request_are_the_request() -> None:
    compared = 0
    for vector in (one for one in _VECTORS if "url" in one["expect"]):
        event = decode(json.dumps(vector.get("event", {})).encode(), need_ids=False)
        assert isinstance(event, LeadEvent)
        secrets = vector.get("secrets", {})
        facts = Facts(preview_lead(event), now_ms=0, params=vector.get("params"), secret=secrets.get)
        program = compile_template(
            vector["template"], vector.get("headers"), omit_empty=vector.get("omit_empty", False)
        )
        rendered, found = program.render(facts), program.segments(facts)
        assert text_of(found.link) == show(rendered.link)
        assert {name: text_of(value) for name, value in found.headers.items()} == {
            name: show(value) for name, value in rendered.headers.items()
        }
        assert (found.body and text_of(found.body)) == (rendered.body and show(rendered.body))
        compared += 1
    assert compared > 100


def test_each_value_says_whose_it_is_and_a_missing_one_says_so() -> None:
    facts = Facts(preview_lead(LeadEvent(lead_id="L 1", price=2)), now_ms=0)
    found = compile_template(
        'https://t.example/a?i={id}&k={secret.k}&c={click}&p={price}|JSON|{"p":{price},"g":{geo|upper}}'
    ).segments(facts)
    assert found.link == [
        Segment("https://t.example/a?i="), Segment("L%201", "{id}"), Segment("&k="),
        Segment("%E2%80%A2%E2%80%A2%E2%80%A2", "{secret.k}"), Segment("&c="),
        Segment("", "{click}", missing=True),
        Segment("&p="), Segment("2", "{price}"),
    ]  # fmt: skip
    assert found.body == [
        Segment('{"p":'), Segment("2", "{price}"), Segment(',"g":'),
        Segment("null", "{geo|upper}", missing=True), Segment("}"),
    ]  # fmt: skip
    assert sorted(found.missing) == ["{click}", "{geo|upper}"]


def test_what_is_left_out_is_missing_all_the_same() -> None:
    program = compile_template("https://t.example/?a={click}&b={id}", omit_empty=True)
    found = program.segments(Facts(preview_lead(LeadEvent(lead_id="L")), now_ms=0))
    assert text_of(found.link) == "https://t.example/?b=L"
    assert found.missing == ["{click}"]


def test_parts_fail_as_the_rendering_does() -> None:
    with pytest.raises(TemplateFault, match="leads to another path"):
        compile_template("https://t.example/{id}/x").segments(
            Facts(preview_lead(LeadEvent(lead_id="..")), now_ms=0)
        )


def test_every_macro_and_filter_has_its_line_of_help_and_no_other_has() -> None:
    numbered = {f"sub{number}" for number in range(1, 31)}
    assert {one.write for one in help.MACROS} == names.KNOWN - numbered
    assert [one.write.removesuffix(".") for one in help.PREFIXES] == ["tag", "meta", "param", "secret"]
    assert [one.write.partition(":")[0] for one in help.FILTERS] == list(filters.FILTERS)
    assert all(one.says for one in (*help.MACROS, *help.PREFIXES, *help.FILTERS))


@pytest.mark.parametrize("one", help.FILTERS, ids=lambda one: one.write)
def test_what_the_help_of_a_filter_writes_can_be_used(one: help.Help) -> None:
    macro = macro_of("{id|" + one.write.replace("CC", "UA") + "}")
    assert macro is not None
    assert filters.filter_fault(macro.filters) is None
