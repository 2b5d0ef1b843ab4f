"""A request as it goes out: slots filled, headers in their order.

Added, unless the request has a header of that name: `User-Agent: Postbacks/<version>`, `Accept: */*`,
`Accept-Encoding: gzip, deflate`. `Host` is the link's host and port as written there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import msgspec

from app.messages.request import Request
from app.templates.text import fill, fill_body, fill_link

_OURS = (
    ("User-Agent", f"Postbacks/{version('postbacks')}"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
)
# What frames the message is never a flow's to say: a wrong length would cut the request in two.
_FRAMING = frozenset(("content-length", "transfer-encoding", "expect"))


class Wire(msgspec.Struct, frozen=True):
    """What is sent. It holds the values of secrets: it is neither logged nor kept."""

    method: str
    link: str
    headers: list[tuple[str, str]]
    body: bytes | None

    def __repr__(self) -> str:
        return "Wire(…)"


def put_together(request: Request, secret: Callable[[str], str | None]) -> Wire:
    """Fill the slots of `request`.

    Raises `SecretMissing` when a secret is not set, and `Unsendable` when the link or body does not fit
    with it.
    """
    link = fill_link(request.link, secret)
    own = {name: fill(text, secret) for name, text in request.headers.items()}
    body = None if request.body is None else fill_body(request.body, secret).encode()
    given = {name.lower() for name in own}
    headers = [] if "host" in given else [("Host", _authority(link))]
    for name, value in own.items():
        if name.lower() not in _FRAMING:
            headers.append(("Host" if name.lower() == "host" else name, value))
    headers += [(name, value) for name, value in _OURS if name.lower() not in given]
    return Wire(request.method, link, headers, body)


def _authority(link: str) -> str:
    """Host and port of a link, as written."""
    after = link.partition("://")[2]
    return after.partition("/")[0].partition("?")[0]
