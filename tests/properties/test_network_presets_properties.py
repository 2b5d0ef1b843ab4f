"""Whatever a lead holds, what the networks' presets send is whole and shows neither its e-mail nor phone."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.network_leads import NETWORKS, SECRETS, counted, vendors
from tests.contracts.offline import judged, made_of

NOW_MS = 1_795_446_000_250
_hostile = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['"}', "\\", '",\n"x":"', "{email}", "{{phone}}", "%22", "&a=b#", "\x00", "\u2028", " ", "null", "0" * 64]
)
_number = st.sampled_from([0, 1, 12.5, 1e-7, 1e21, -3])
_email = st.tuples(_hostile, _hostile).map(lambda told: f"{told[0]}Raw-Mail@{told[1]}")
_phone = st.tuples(
    st.sampled_from(["", "+", "00", "+38", "8 ", "tel:"]),
    st.sampled_from(["0507700900", "050 77-00-900", "(050) 770 09 00", "7700900", "3805077009001234567"]),
    st.sampled_from(["", " ", " ext 5", "x", "'"]),
).map("".join)
_tags = ("fbclid", "fbc", "fbp", "ttclid", "ttp", "ScCid", "scid", "ga_client_id", "ga_session_id", "tblci")
_event = st.fixed_dictionaries(
    {"status": st.sampled_from(["new", "approve"])},
    optional={
        "price": _number | st.none(),
        "currency": _hostile | st.sampled_from(["usd", " EUR "]),
        "uid": _hostile,
        "click": st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("id", "ip", "ua", "geo", "referer", "url"), _hostile)
        ),
        "tags": st.dictionaries(st.sampled_from(_tags), _hostile | _number | st.booleans() | st.none()),
        "customer": st.fixed_dictionaries(
            {}, optional={"email": _email, "phone": _phone, "name": _hostile, "comment": _hostile}
        ),
        "meta": st.dictionaries(
            st.sampled_from(["first_name", "last_name"]), _hostile | _number | st.booleans()
        ),
    },
)


@given(st.sampled_from(NETWORKS), st.lists(_event, min_size=1, max_size=3), _hostile.filter(str.strip))
@settings(max_examples=300, deadline=None)
def test_no_lead_breaks_a_request_or_shows_its_person(
    network: str, events: list[dict[str, Any]], lead_id: str
) -> None:
    vendor = vendors(lambda: NOW_MS / 1000)[network]
    told = made_of(network, SECRETS, NOW_MS, *({**event, "lead_id": lead_id} for event in events))
    for request, asked in told.requests:
        sent = asked.body.decode()
        if asked.method == "POST":
            json.loads(sent)
        _shows_nobody(sent + unquote(str(request.link)))
        assert judged(request, vendor(asked)).verdict in ("ok", "final")
    assert counted(vendor) <= len(told.requests)


def _shows_nobody(text: str) -> None:
    digits = text.replace(" ", "").replace("-", "")
    assert "raw-mail" not in text.lower()
    assert "7700900" not in digits
    assert "77009001234567" not in digits
