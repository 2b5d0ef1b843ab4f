"""What is copied as curl, pasted into bash and run by curl itself, is the request that the log shows."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.kit.hiding import MASK
from app.web.curl import curl
from tests.receivers import Receiver, answer

pytestmark = pytest.mark.slow

_HOSTILE = (
    *("'", '"', "`id`", "$HOME", "$(id)", "\\", "!!", "\n", "\r\n", "\t", "&", ";", "@", "="),
    *("é", "日本", "😀"),
)


def _is_shown(text: str) -> bool:
    """What is masked is copied as another word, and U+0000 stands in no argument of a program."""
    return MASK not in text and "\0" not in text


_in_a_body = (
    st.lists(st.sampled_from(_HOSTILE) | st.text(max_size=5), max_size=8).map("".join).filter(_is_shown)
)
_in_a_header = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), max_size=12).filter(
    _is_shown
)
_in_a_link = st.text("abc[]{}()*$'!;,~%41=&/.-_@:?", max_size=20)
_FILE = "@/etc/hostname"


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST"]),
    target=_in_a_link,
    header=_in_a_header,
    body=_in_a_body,
)
@example(method="POST", target="../a/./[1-3]{x,y}?u=%27$HOME", header="", body=_FILE)
@example(method="POST", target="?q='\"", header="$(id) `id` 'q' \"q\" \\ é", body='{"a":"b\n$x\'\\u0041"}\n')
@example(method="GET", target="", header="@/etc/hostname", body="")
async def test_curl_sends_the_bytes_that_the_row_says(
    method: str, target: str, header: str, body: str
) -> None:
    headers = {"X-Said": header, "Content-Type": "application/json", "User-Agent": "Postbacks"}
    async with Receiver(answer(200, b"taken")) as receiver:
        command = curl(method, receiver.url(f"/{target}"), headers, body)
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, fault = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, said) == (0, b"taken"), (command, fault)
        [came] = receiver.requests
    assert came.line == f"{method} /{target} HTTP/1.1".encode(), command
    assert came.body == body.encode(), command
    lines = [line.partition(b":") for line in came.head.split(b"\r\n")[1:-2]]
    said_in = {name.decode(): value.strip(b" ") for name, _, value in lines}
    assert {name: said_in.get(name) for name in headers} == {
        name: value.encode() for name, value in headers.items()
    }
    assert len(said_in) == len(lines), command
