"""For every secret: it is in no text of the row, whatever the receiver says back."""

from __future__ import annotations

import gzip
import string
from base64 import b64encode
from collections.abc import Callable
from html import escape
from json import dumps
from urllib.parse import quote, quote_plus

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.flows.verdict import Verdict
from app.kit.hiding import hide, looks_for, to_hide
from app.kit.secrets import Secrets
from app.messages.record import Address
from app.messages.request import Delivery
from app.outbound.answers import Answer
from app.outbound.attempt import Rows
from app.outbound.inflate import inflate
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


def _in_base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _in_hex(text: str) -> str:
    return text.encode().hex()


_plain_secrets = st.text(alphabet=string.ascii_letters + string.digits + "-_/+=:!", min_size=8, max_size=40)
_around = st.text(alphabet="·—", max_size=6)  # nothing that a secret or a row may hold by itself
_coded = st.sampled_from([str, quote, _in_base64, lambda text: quote(_in_base64(text), safe=""), _in_hex])


@given(
    st.lists(_plain_secrets, min_size=1, max_size=3, unique=True),
    _around,
    _coded,
    st.sampled_from(["", "gzip", "utf-16"]),
)
def test_no_secret_comes_back_in_base64_hex_gzip_or_inside_another(
    values: list[str], around: str, written: Callable[[str], str], packed: str
) -> None:
    secrets = Secrets({f"POSTBACKS_SECRET_{index}": value for index, value in enumerate(values)})
    assert [secrets(str(index)) for index in range(len(values))] == values
    said = [written(around + value + around) for value in values]
    body = " ".join(said).encode("utf-16-le" if packed == "utf-16" else "utf-8")
    if packed == "gzip":
        body = inflate(gzip.compress(body), "gzip", 64 * 1024)
    answer = Answer(200, tuple((f"X-{index}", one) for index, one in enumerate(said)), body, 1.0)
    sent = request("https://t.example/", delivery=Delivery(mask=False))
    told = judge(answer, (Verdict("final", header="x-0", not_=("",)),), OCCURRED_AT)
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
    shown = [row.reason, row.response_body, *row.response_headers.values()]
    for value in values:
        decided = (value, _in_hex(value), quote(value), _in_base64(value)[: len(value) * 8 // 6])
        assert not any(form in text for form in decided for text in shown)
    assert all("•••" in text for text in shown)


_values = st.frozensets(st.text("aB1 /é", min_size=1, max_size=12), max_size=4)


@given(_values, _written, st.text("aB1 /é%0", max_size=30), st.booleans())
def test_where_one_look_finds_nothing_there_is_nothing_to_hide(
    values: frozenset[str], written: Callable[[str], str], around: str, many: bool
) -> None:
    if many:  # then another way of looking is taken
        values |= {f"value {number:04d} of many" for number in range(100)}
    texts = [around, *(around + written(value) + around for value in values)]
    texts += [_in_base64(f"{around}{value}") for value in values]
    for text in texts:
        if not looks_for(values)(text):
            assert hide(text, to_hide(values)) == text
