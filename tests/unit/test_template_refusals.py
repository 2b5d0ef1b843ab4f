"""What is refused, or said, where it would otherwise go out wrong without a word."""

from __future__ import annotations

import pytest

from app.flows.tokens import literal_tokens, mask_link
from app.leads.events import LeadEvent
from app.leads.fold import preview_lead
from app.templates.facts import Facts
from app.templates.fault import TemplateFault
from app.templates.lint import lint_template
from app.templates.program import compile_template


def _facts(**tags: str) -> Facts:
    return Facts(preview_lead(LeadEvent(tags=dict(tags))), now_ms=0, time_ms=0)


def test_an_unknown_filter_on_a_tag_is_an_error_when_strict_and_is_linted() -> None:
    program = compile_template("https://a.example/?x={foo|lowr}")
    with pytest.raises(TemplateFault, match=r'unknown filter "lowr".*"lower"'):
        program.render(_facts(foo="v"), strict=True)
    assert any('"lower"' in text for text in lint_template("https://a.example/?x={foo|lowr}", tags=("foo",)))
    assert program.render(_facts(foo="v")).link == "https://a.example/?x=%7Bfoo%7Clowr%7D"


@pytest.mark.parametrize("written", ["e164", "e164:geo,PL"])
def test_a_secret_s_phone_is_not_read_as_of_a_click_that_sending_does_not_know(written: str) -> None:
    with pytest.raises(TemplateFault, match="without the click"):
        compile_template(f"https://a.example/?x={{secret.phone|{written}}}")
    compile_template("https://a.example/?x={secret.phone|e164:PL}")


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Host", "Connection"])
def test_a_header_that_frames_or_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(TemplateFault, match="link and the body"):
        compile_template("https://a.example/", {name: "1"})


def test_a_header_may_stand_once() -> None:
    with pytest.raises(TemplateFault, match="stands twice"):
        compile_template("https://a.example/", {"X-A": "1", "x-a": "2"})


def test_a_token_beside_a_macro_is_masked_with_what_the_macro_brings() -> None:
    parts = [text for _, text in literal_tokens("https://a.example/?token=abc{click}&u={click}")]
    assert parts == ["abc"]
    assert mask_link("https://a.example/?token=abcXY&u=XY", parts) == "https://a.example/?token=•••&u=XY"


@pytest.mark.parametrize("text", ["2026-W48-1", "2026-11-23T15:00:00 Z", "2026-11-23T15:00:00.Z", "20261"])
def test_a_filter_reads_the_times_that_an_event_may_bring_and_no_others(text: str) -> None:
    program = compile_template("https://a.example/?x={foo|default:}&y={tag.foo|ms}")
    assert program.render(_facts(foo=text)).link.endswith("&y=")  # type: ignore[union-attr]  # no secret in it
