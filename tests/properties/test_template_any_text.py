"""Whatever is given as a template is refused with a fault or becomes a sound request, never an exception."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.leads.lead import Click, Lead
from app.templates.facts import Facts
from app.templates.fault import TemplateFault
from app.templates.lint import lint_template
from app.templates.lint_values import empty_macros, lint_values
from app.templates.program import compile_template
from app.templates.text import show

FILTERS = (
    "default:x", 'default:"0"', "default:0", "lower", "upper", "trim", "prepend:&", "append:\\}", "digits",
    "sha256", "md5", "base64", "urlencode", "json", "number", "round:2", "mul:3", "ms", "iso", "date:%Y\\,",
    "date:%f %:z,Europe/Kyiv", "map:a=b,*=z", "substr:0,3", "bogus", "round:x", "hmac:k", "lower:",
)  # fmt: skip
NAMES = (
    "id",
    "click",
    "uid",
    "price",
    "now",
    "tag.t",
    "meta.n",
    "meta.b",
    "t",
    "nope",
    "secret.s",
    "_click",
    "_",
    "ID",
)
macros = st.builds(
    lambda name, filters: "{" + "|".join((name, *filters)) + "}",
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(FILTERS), max_size=2),
)
PLAIN = """|POST| |JSON| |post| ? & = # / .. . %2e % %41 + { } [ ] " : , \\ | 1 -1.5e3 true a ї 😀 @ ; ' <
    {"a": [{ \\u00e9"""
scraps = st.sampled_from(
    [
        *PLAIN.split(),
        " ",
        "\n",
        "\r\n",
        "\t",
        "\u2028",
        "\ufeff",
        "\0",
        "\x7f",
        "\x85",
        "{ id }",
        "{id|default:",
    ]
)
templates = st.builds(
    lambda start, parts: start + "".join(parts),
    st.sampled_from(
        [
            "https://t.example/",
            "https://t.example/p?a=",
            "https://t.example",
            "http://t.example:80/|JSON|",
            "https://t.example/|POST|d=",
            "",
        ]
    ),
    st.lists(st.one_of(macros, macros, scraps), max_size=12),
)
values = st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["..", "a/../b?c", '"},{"', " ", "&x=1#"]))
SECRETS = {"s": 'a"/../&', "k": "key"}


def check_fault(fault: TemplateFault, template: str) -> None:
    assert fault.reason
    assert fault.at is None or 0 <= fault.at <= len(template)


@settings(deadline=None)
@given(templates, values, st.one_of(values, st.floats(allow_nan=False, allow_infinity=False)), st.booleans())
@example("https://t.example/p|JSON|[{now|date:%f %:z,Europe/Kyiv}]", None, 1e300, False)
def test_any_template_is_refused_or_makes_a_sound_request(
    template: str, text: str | None, scalar: Any, omit_empty: bool
) -> None:
    lead = Lead(
        "L",
        "F",
        "new",
        0,
        0,
        1,
        uid=text,
        click=Click(id=text),
        tags={"t": scalar},
        meta={"n": scalar, "b": True},
    )
    facts = Facts(lead, now_ms=1_764_000_000_250, secret=SECRETS.get)
    lint_template(template)
    lint_values(template, {"X-A": "{click}"}, facts)
    empty_macros(template, {}, facts)
    try:
        program = compile_template(template, {"X-A": "{click}{t}"}, omit_empty=omit_empty)
        rendered = program.render(facts)
    except TemplateFault as fault:
        check_fault(fault, template)
        return
    link = show(rendered.link, SECRETS.get)
    split = urlsplit(link)
    assert (split.scheme, split.hostname, split.port) == (program.scheme, program.host, program.port)
    assert link.isascii()
    assert link.isprintable()
    assert not set(' "<>\\^`{|}#') & set(link)
    assert (rendered.body is None) == (rendered.method == "GET")
    assert rendered.fingerprint == program.render(facts).fingerprint
    if program.body_part == "json":
        json.loads(show(rendered.body or "", SECRETS.get))
        json.loads(show(rendered.body or ""))
    elif rendered.body is not None:
        body = show(rendered.body, SECRETS.get)
        assert body.isascii()
        assert body.isprintable()
