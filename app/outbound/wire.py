"""A request as it goes out: slots filled, signed, headers in their order.

Added, unless the request has a header of that name: `User-Agent: Postbacks/<version>`, `Accept: */*`,
`Accept-Encoding: gzip, deflate`. `Host` is the link's host and port as written there. Where the postback asks
for them: its `idempotency_header` with the request's id, and the headers of its `sign_with`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version

import msgspec

from app.kit import signing
from app.messages.request import Request
from app.templates.pipeline import SecretMissing
from app.templates.text import Unsendable, fill, fill_body, fill_link

_OURS = (
    ("User-Agent", f"Postbacks/{version('postbacks')}"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
)
# What frames the message is never a flow's to say: a wrong length would cut the request in two.
_FRAMING = frozenset(("content-length", "transfer-encoding", "expect"))
_authority_end = re.compile(r"[/?#]")


class Wire(msgspec.Struct, frozen=True):
    """What is sent. It holds the values of secrets: it is neither logged nor kept."""

    method: str
    link: str
    headers: list[tuple[str, str]]
    body: bytes | None

    def __repr__(self) -> str:
        return "Wire(…)"


def put_together(request: Request, secret: Callable[[str], str | None], unix_s: int) -> Wire:
    """Fill the slots of `request` and sign it, at `unix_s`.

    Raises `SecretMissing` when a secret is not set, `Unsendable` when the link or body does not fit with it,
    or when it is none to sign with, and what `secret` raises.
    """
    link = fill_link(request.link, secret)
    own = {name: fill(text, secret) for name, text in request.headers.items()}
    body = None if request.body is None else fill_body(request.body, secret).encode()
    given = {name.lower() for name in own}
    headers = [] if "host" in given else [("Host", _authority(link))]
    for name, value in own.items():
        if name.lower() not in _FRAMING:
            headers.append(("Host" if name.lower() == "host" else name, value))
    if request.delivery.idempotency_header is not None:
        headers.append((request.delivery.idempotency_header, request.request_id))
    headers += _signature(request, secret, unix_s, body or b"")
    headers += [(name, value) for name, value in _OURS if name.lower() not in given]
    return Wire(request.method, link, headers, body)


def _signature(
    request: Request, secret: Callable[[str], str | None], unix_s: int, body: bytes
) -> list[tuple[str, str]]:
    name = request.delivery.sign_with
    if name is None:
        return []
    if (keys := secret(name)) is None:
        raise SecretMissing(name)
    try:
        signature = signing.sign(keys, request.request_id, unix_s, body)
    except signing.BadKey as fault:
        raise Unsendable(f"secret {name} cannot sign: {fault}") from None
    return list(zip(signing.HEADERS, (request.request_id, str(unix_s), signature), strict=True))


def form_to(link: str, form: bytes) -> Wire:
    """A form on its way to a link, such as a token server's."""
    headers = [
        ("Host", _authority(link)),
        ("Content-Type", "application/x-www-form-urlencoded"),
        *((name, "application/json" if name == "Accept" else value) for name, value in _OURS),
    ]
    return Wire("POST", link, headers, form)


def origin_of(link: str) -> str:
    """Scheme and authority of a link, as written."""
    begin = link.find("://")
    end = None if begin < 0 else _authority_end.search(link, begin + 3)
    return link[: end.start()] if end else link


def target_of(link: str) -> str:
    """Path and query of a link, as written, from its first `/`; a `#` and what follows is not sent.

    Raises `ValueError` for what no request line can carry.
    """
    target = link[len(origin_of(link)) :].partition("#")[0]
    if not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError("a blank, a control character or what is not ASCII in a link")
    return target if target.startswith("/") else f"/{target}"


def _authority(link: str) -> str:
    """Host and port of a link, as written."""
    after = link.partition("://")[2]
    return after.partition("/")[0].partition("?")[0]
