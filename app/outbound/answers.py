"""What came of one send: an answer, or a failure with what could be read until then."""

from __future__ import annotations

import errno
import os
import re
import socket
from typing import Literal

import msgspec

READ_BYTES = 64 * 1024  # of an answer's body, also after inflating; then the connection is closed
STORED_BYTES = 16 * 1024  # of any text that goes into the log

_errno = re.compile(r"\[Errno ([0-9]+)\]")  # the client library folds several addresses' errors into one text

FailureKind = Literal[
    "timeout",  # `timeout_s` was over, wherever the request stood
    "dns",  # the name does not resolve
    "proxy",  # the proxy made no connection
    "connect",  # no connection: refused, unreachable
    "tls",  # certificate or handshake
    "closed",  # the connection ended before an answer
    "malformed",  # what came is not HTTP
    "incomplete",  # the answer broke off inside its body
    "blocked",  # every address of the host is refused by the guard
    "unsendable",  # the request cannot be put together: a secret is not set
    "token",  # no access token now, or an outdated one was sent
    "credential",  # the token server does not accept an OAuth credential
    "unexpected",  # anything else; the text names it
]


class Answer(msgspec.Struct, frozen=True):
    """A receiver's answer: header names and values as UTF-8 text, the body without its encodings.

    `complete` is false when the body was longer than `READ_BYTES` or broke off. `refusal` tells which refusal
    of an access token this is: the same for each request that was sent with it.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    duration_ms: float
    complete: bool = True
    refusal: int | None = None

    def header(self, name: str) -> str | None:
        """The values of the headers of that name, in any case, joined with `, `; None when there is none."""
        wanted = name.lower()
        found = [value for given, value in self.headers if given.lower() == wanted]
        return ", ".join(found) if found else None


class Failure(msgspec.Struct, frozen=True):
    """A send without a whole answer. `text` tells it to a person and holds no link.

    `answer` is what was read when at least status and headers were. `refusal` tells which refusal of a
    credential this is: the same for each request that waited for its token.
    """

    kind: FailureKind
    text: str
    duration_ms: float
    answer: Answer | None = None
    refusal: int | None = None


def os_text(error: OSError) -> str:
    """The system's word for an error, without address or path; those of several addresses in one."""
    if isinstance(error, socket.gaierror):
        return str(error.strerror or error)
    if error.errno == errno.EAFNOSUPPORT:
        return "POSTBACKS_SOURCE_ADDRESS serves none of its addresses"
    if error.errno:
        return os.strerror(error.errno)
    several = dict.fromkeys(int(number) for number in _errno.findall(str(error)))
    told = [os.strerror(number) for number in several if number not in (errno.EACCES, errno.EAFNOSUPPORT)]
    return ", ".join(told) or type(error).__name__
