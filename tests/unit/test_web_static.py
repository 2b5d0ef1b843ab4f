"""The files that browsers load are what their packages hold, and are in the wheel's folder."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

from app.web.render import STATIC

_VENDOR = STATIC / "vendor"


def test_each_vendored_file_is_as_its_package_has_it_and_named_with_its_licence() -> None:
    told = json.loads((_VENDOR / "vendored.json").read_text())
    files = {name: digest for package in told["packages"] for name, digest in package["files"].items()}
    assert {path.name for path in _VENDOR.iterdir()} == {*files, "vendored.json"}
    for name, digest in files.items():
        assert hashlib.sha256((_VENDOR / name).read_bytes()).hexdigest() == digest, name
    assert all(any(name.endswith("LICENSE") for name in package["files"]) for package in told["packages"])


def test_no_file_of_ours_needs_another_origin() -> None:
    for path in [
        *STATIC.glob("*.js"),
        *STATIC.glob("*.css"),
        *(resources.files("app.web") / "templates").iterdir(),
    ]:
        text = path.read_text(encoding="utf-8")
        assert "http://" not in text.replace("http://www.w3.org", "")
        shown = text.replace("https://track.er", "").replace('placeholder="https://…"', "")
        assert "https://" not in shown, path
