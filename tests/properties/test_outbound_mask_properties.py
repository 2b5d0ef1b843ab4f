"""For every secret: it is in no text of the row, whatever the receiver says back."""

from __future__ import annotations

from html import escape
from json import dumps
from urllib.parse import quote, quote_plus

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.kit.secrets import Secrets
from app.messages.record import Address
from app.messages.request import Delivery
from app.outbound.answers import Answer
from app.outbound.attempt import Rows
from app.outbound.policy import next_step
from app.outbound.verdict import judge
from app.templates.text import Slot
from tests.outbound import OCCURRED_AT, request

# No letter or digit of a row that knows nothing of the secret is in this alphabet.
_secrets = st.text("ÄÖÜß漢字 &=/?#%+\"'<>\\;🙂", min_size=3, max_size=20).filter(
    lambda text: bool(text.strip()) and any(char in text for char in "ÄÖÜß漢字🙂")
)
_written = st.sampled_from(
    [
        str,
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: dumps(text)[1:-1],
        lambda text: dumps(text, ensure_ascii=False)[1:-1],
        escape,
    ]
)


@given(_secrets, _written, st.booleans())
def test_a_secret_is_in_no_text_of_the_row(secret: str, written, mask: bool) -> None:  # type: ignore[no-untyped-def]
    secrets = Secrets({"POSTBACKS_SECRET_S": secret})
    assert secrets("s") == secret
    sent = request(
        ["https://t.example/", Slot("s", "path"), "?t=", Slot("s", "pair")],
        method="POST",
        headers={"X-Sig": [Slot("s", "header")]},
        body=['{"t":', Slot("s", "json"), "}"],
        delivery=Delivery(mask=mask),
    )
    said = written(secret)
    headers = (("Location", f"https://t.example/?back={said}"), ("X-Echo", said))
    answer = Answer(302, headers, f"you sent [{said}]".encode(), 1.0)
    told = judge(answer, (), OCCURRED_AT)
    row = Rows("t", "w", secrets).attempt(
        sent,
        Address(0, 1),
        answer,
        told,
        next_step(sent, told, 1, OCCURRED_AT),
        attempt_id="a",
        started_ms=OCCURRED_AT,
        ended_ms=OCCURRED_AT,
    )
    shown = msgspec.json.encode(row).decode()
    assert said not in shown
    assert dumps(said, ensure_ascii=False)[1:-1] not in shown
    assert row.response_body == "you sent [•••]"
