"""Presets: each file is whole and sends what its examples make of it; filling one in says what is wrong."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest

from app.flows.config import FlowFault, parse
from app.flows.lint import lint
from app.flows.postback import is_macro_name
from app.presets.catalogue import presets, suggested
from app.presets.expiry import lint as lint_with_versions
from app.presets.fill import ParamFault, add, wrong_params
from app.presets.preset import Preset, PresetFault, read_preset

_SECRET = re.compile(r"\{_?secret\.([A-Za-z0-9_.-]+)[|}]|\|hmac:([A-Za-z0-9_.-]+)")
_PARAM = re.compile(r"\{_?param\.([A-Za-z0-9_.-]+)[|}]")


def _examples(preset: Preset) -> dict[str, str]:
    return {param.name: param.example for param in preset.params}


def _config(preset: Preset, given: dict[str, str] | None = None) -> bytes:
    told = _examples(preset) if given is None else given
    return json.dumps(add({"flow_id": "F-7", "postbacks": []}, preset, told).config).encode()


@pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.id)
def test_a_preset_makes_a_flow_that_nothing_is_wrong_with(preset: Preset) -> None:
    config = _config(preset)
    assert len(parse(config).postbacks) == len(preset.postbacks)
    assert [f"{one.place}: {one.text}" for one in lint(config, lambda name: "whsec_" + "A" * 44)] == []


@pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.id)
def test_a_preset_without_what_need_not_be_given_makes_one_too(preset: Preset) -> None:
    needed = {one.name: one.example for one in preset.params if one.default is None}
    assert parse(_config(preset, needed)).postbacks


@pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.id)
def test_a_preset_asks_for_what_it_uses_and_for_nothing_else(preset: Preset) -> None:
    text = json.dumps(preset.postbacks, ensure_ascii=False)
    signing = {str(one["sign_with"]) for one in preset.postbacks if "sign_with" in one}
    params = {
        *_PARAM.findall(text),
        *re.findall(
            r"param\.([A-Za-z0-9_.-]+)",
            " ".join(m for one in preset.postbacks for m in one.get("require", ())),
        ),
    }
    assert params == set(_examples(preset))
    assert {first or second for first, second in _SECRET.findall(text)} | signing == {
        one.name for one in preset.secrets
    }
    assert all(is_macro_name(one.name) for one in preset.secrets)
    assert {one["id"] for one in preset.postbacks if one["id"].startswith(preset.id)}
    assert all("name" in one and "verdict" in one for one in preset.postbacks)


_FILE = """\
id = "acme"
title = "Acme"
kind = "tracker"
about = "It counts."
hosts = ["acme.example", "*.acme.example"]
api_version = "v3"
ends_on = 2027-03-01
version_ends = { "v1" = 2026-12-01, "v2" = 2026-01-31 }
pages = ["https://acme.example/docs"]
read_on = 2026-11-23
unconfirmed = []
test_mode = "Add test=1."
notes = []
[[params]]
name = "domain"
title = "Your domain"
where = "Settings → Domains"
example = "go.acme.example"
pattern = '[a-z0-9.-]+'
[[params]]
name = "pixel"
title = "Pixel"
where = "Settings → Pixel"
example = "77"
pattern = "[0-9]+"
[[params]]
name = "test"
title = "Test code"
where = "Settings → Test"
example = "T1"
default = ""
[[secrets]]
name = "acme"
title = "Key"
where = "Settings → Key"
[[postbacks]]
id = "acme"
name = "Acme"
on = ["new"]
template = "https://{param.domain}/v3/{param.pixel}?d={param.domain}&t={param.test}&c={click}"
require = ["click", "email|param.pixel"]
headers = { "X-Key" = "{secret.acme}", "X-Pixel" = "{param.pixel|trim}" }
"""
_GIVEN = {"domain": "go.acme.example", "pixel": "77"}


def _acme(*changes: tuple[str, str]) -> Preset:
    text = _FILE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return read_preset("acme", text.encode())


def test_a_preset_is_added_to_a_flow_of_either_form_and_leaves_the_rest_as_it_was() -> None:
    flow: dict[str, Any] = {
        "flow_id": "F-7",
        "name": "Summer",
        "params": {"pixel": "5", "x": 1},
        "postbacks": {"new": ["https://t.example/", "https://u.example/"], "acme": "https://v.example/"},
    }
    added = add(flow, _acme(), _GIVEN)
    assert added.postbacks == ("acme-2",)
    assert added.config["params"] == {
        "pixel": "5",
        "x": 1,
        "domain": "go.acme.example",
        "pixel-2": "77",
        "test": "",
    }
    assert [(one["id"], one["template"]) for one in added.config["postbacks"]] == [
        ("new", "https://t.example/"),
        ("new-2", "https://u.example/"),
        ("acme", "https://v.example/"),
        ("acme-2", "https://go.acme.example/v3/{param.pixel-2}?d={param.domain}&t={param.test}&c={click}"),
    ]
    brought = added.config["postbacks"][-1]
    assert brought["require"] == ["click", "email|param.pixel-2"]
    assert brought["headers"]["X-Pixel"] == "{param.pixel-2|trim}"
    again = add(added.config, _acme(), _GIVEN)
    assert again.postbacks == ("acme-3",)
    assert again.config["params"] == added.config["params"]


def test_a_parameter_that_is_missing_or_malformed_is_named_with_where_to_find_it() -> None:
    wrong = wrong_params(_acme(), {"domain": "https://go.acme.example/", "pixle": "1"})
    assert (
        "is not of the form of 'go.acme.example': Your domain; where to find it: Settings → Domains"
        in wrong["domain"]
    )
    assert wrong["pixel"] == "missing: Pixel; where to find it: Settings → Pixel"
    assert "did you mean pixel?" in wrong["pixle"]
    assert set(wrong) == {"domain", "pixel", "pixle"}
    with pytest.raises(ParamFault, match="preset acme: pixel: missing"):
        add({"flow_id": "F-7"}, _acme(), {"domain": "go.acme.example"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('kind = "tracker"', 'kind = "trackers"'), "kind"),
        (('title = "Acme"', 'titel = "Acme"'), "titel"),
        (('title = "Acme"', 'title = " "'), "title"),
        (('id = "acme"', 'id = "amce"'), "id is 'amce', but the file is named acme.toml"),
        (("read_on = 2026-11-23", 'read_on = "soon"'), "read_on"),
        (('example = "77"', 'example = "x"'), "param pixel: example 'x' does not fit pattern '[0-9]+'"),
        (('pattern = "[0-9]+"', 'pattern = "["'), "param pixel: pattern is no regular expression"),
        (('name = "pixel"', 'name = "domain"'), "domain stands twice"),
        (('api_version = "v3"', 'api_version = ""'), "there is no api_version"),
        (("[[postbacks]]", "[[postbacks]"), "line"),
    ],
)
def test_a_preset_file_that_cannot_be_used_says_where_and_why(change: tuple[str, str], said: str) -> None:
    with pytest.raises(PresetFault, match=r"^acme\.toml: ") as fault:
        _acme(change)
    assert said in fault.value.reason


@pytest.mark.parametrize(
    ("link", "today", "said"),
    [
        ("https://api.telegram.org/bot1/sendMessage", "2050-01-01", None),
        ("https://go.acme.example/v3/1", "2026-12-30", None),
        (
            "https://go.acme.example/v3/1",
            "2026-12-31",
            "v3 of Acme ends on 2027-03-01, in 60 days: see https://acme.example/docs",
        ),
        ("https://go.acme.example/v3/1", "2027-03-01", "ends on 2027-03-01, in 0 days"),
        ("https://go.acme.example/v3|POST|a=1", "2027-03-02", "v3 of Acme ended on 2027-03-01"),
        (
            "HTTPS://ACME.example:8443/v2/{id|trim}",
            "2026-11-24",
            "v2 of Acme ended on 2026-01-31: preset acme has v3",
        ),
        ("https://acme.example/?v=/v2/", "2026-11-24", None),
        ("https://other.example/v2/", "2026-11-24", None),
    ],
)
def test_a_link_to_a_version_that_ends_is_warned_of(
    link: str, today: str, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.presets.catalogue.presets", lambda: {"acme": _acme()})
    flow = {
        "flow_id": "F-7",
        "postbacks": {"new": "https://t.example/", "approve": ["https://t.example/", link]},
    }
    told = lint_with_versions(json.dumps(flow).encode(), lambda _: None, date.fromisoformat(today))
    if said is None:
        assert told == []
    else:
        [warning] = told
        assert (warning.place, said in warning.text) == ("postbacks.approve[1]", True), warning


def test_a_pasted_link_is_offered_the_presets_of_its_host() -> None:
    assert [one.id for one in suggested("API.telegram.org:443")] == ["telegram"]
    assert suggested("telegram.org") == ()


def test_a_host_that_a_parameter_cannot_be_is_refused_as_in_any_flow() -> None:
    acme = _acme(("pattern = '[a-z0-9.-]+'", "pattern = '.+'"))
    with pytest.raises(FlowFault, match="host"):
        parse(_config(acme, _GIVEN | {"domain": "a b"}))
