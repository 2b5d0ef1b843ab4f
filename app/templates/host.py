"""The authority of a link: a host name or IP address and perhaps a port, all literal.

Host names are RFC 1123's, plus `_` and a trailing dot; an internationalised one becomes UTS 46 punycode.
A name whose last label is a number must be a whole IPv4 address (WHATWG URL, “ends in a number”), because
resolvers read `1.2.3` and `0x7f.1` as addresses.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

MAX_NAME = 253
MAX_LABEL = 63
MAX_PORT = 65535

_DIGITS = frozenset("0123456789")
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


class Authority(NamedTuple):
    """Where a link leads: the host as it is sent (an IPv6 address in brackets), the port as written."""

    host: str
    port: str

    @property
    def text(self) -> str:
        """Host and port as they stand in a link."""
        return f"{self.host}:{self.port}" if self.port else self.host


def read_authority(text: str) -> Authority:
    """Check what stands between `://` and the path.

    Raises `ValueError` with the reason for user info, a wrong port, and what is no host.
    """
    if "@" in text:
        raise ValueError("user info may not stand in a link: put credentials into headers")
    if text.startswith("["):
        address, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f'"{text}" is no IPv6 address')
        host, colon, port = f"[{_ipv6(address)}]", rest[:1], rest[1:]
    else:
        name, colon, port = text.partition(":")
        if not name:
            raise ValueError("the link has no host")
        host = _name(name)
    if colon:
        _check_port(port)
    return Authority(host, port)


def _check_port(port: str) -> None:
    number = port.lstrip("0")
    if not port or not _DIGITS.issuperset(port) or len(number) > 5 or not 1 <= int(number or 0) <= MAX_PORT:
        raise ValueError(f'"{port}" is no port: a number from 1 to {MAX_PORT} is wanted')


def _ipv6(text: str) -> str:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError(f'"{text}" is no IPv6 address') from None
    if "%" in text:
        raise ValueError(f'"{text}": a zone has no meaning in a link')
    return text.lower()


def _name(text: str) -> str:
    host = text.lower() if text.isascii() else _punycode(text)
    labels = host.removesuffix(".").split(".")
    if _is_number(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise ValueError(f'"{text}" is no IPv4 address and no host name') from None
    if not all(map(_is_label, labels)) or len(".".join(labels)) > MAX_NAME:
        raise ValueError(f'"{text}" is no host name')
    return host


def _is_number(label: str) -> bool:
    if label.startswith("0x"):
        return not label[2:].strip("0123456789abcdef")
    return label != "" and _DIGITS.issuperset(label)


def _is_label(label: str) -> bool:
    return 0 < len(label) <= MAX_LABEL and _LABEL.issuperset(label) and label[0] != "-" != label[-1]


def _punycode(text: str) -> str:
    import idna  # late: few hosts need its tables

    try:
        mapped = idna.uts46_remap(text, std3_rules=False)
        labels = [label if label.isascii() else _alabel(label) for label in mapped.split(".")]
    except (idna.IDNAError, UnicodeError) as fault:
        raise ValueError(f'"{text}" is no host name: {fault}') from None
    return ".".join(labels).lower()


def _alabel(label: str) -> str:
    import idna

    idna.alabel(label.replace("_", "a"))  # IDNA 2008 knows no `_`, which may stand in host names here
    return "xn--" + label.encode("punycode").decode()
