"""Put a translated link into a flow's config. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.flows.layout import long_form
from app.flows.postback import slug_of
from app.presets.fill import Added, free_name
from app.templates.fields import host_of


def add(config: Mapping[str, Any], templates: Sequence[str], on: Sequence[str], name: str = "") -> Added:
    """A flow's config (valid, either form) with a postback for each template after its own, on these events.

    A postback without a name is named by the host that it leads to. The config comes out in the long form.
    """
    postbacks = long_form(config.get("postbacks", []))
    ids = [str(one.get("id", "")) for one in postbacks]
    made: list[str] = []
    for template in templates:
        made.append(free_name(name or slug_of(host_of(template)) or "postback", [*ids, *made]))
        postbacks.append({"id": made[-1], "on": list(on), "template": template})
    return Added({**config, "postbacks": postbacks}, tuple(made))
