"""Receivers that only fail, by the sends of the last hours, and postbacks that are parked because of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from app.doctor.facts import Sending
from app.doctor.finding import Finding, Unknown, counted, listed, unchecked
from app.messages.state import Postback, PostbackState

HOURS = 6
"""How far back sends are looked at."""
FEW = 3
"""Fewer failed sends than these are a warning."""

_CURES = (
    (
        ("the proxy",),
        "It is the proxy, not the receiver: see POSTBACKS_PROXY; it has to allow CONNECT to that address.",
    ),
    (
        ("access token",),
        "It is the token server or the credential in the secret, not the receiver: its answer says which; "
        "`postbacks test-send` tries it.",
    ),
    (("401", "403", "auth"), "Renew the token: it stands in the flow's link or headers, or in a secret."),
    (("404", "410"), "Compare the link with the receiver's: a path, or a click id that it does not know."),
    (("400", "422"), "Compare what was sent with the receiver's documentation."),
    (("429", "throttle"), "It takes fewer: ask for a higher limit, or lower POSTBACKS_MAX_PER_HOST."),
    (("resolve", "dns", "name"), "Correct the host in the link: the name server does not know it."),
    (("certificate", "tls", "ssl"), "The receiver's certificate is not valid: its owner has to renew it."),
    (
        ("timed out", "time-out", "timeout"),
        "It is slow or away: ask its owner, or raise the postback's timeout_s.",
    ),
    (("refused", "connect"), "It is away: ask its owner."),
    (("secret",), "Set the secret where OUTBOUND's workers run."),
    (("render",), "Correct the template: `postbacks preview` shows what it makes."),
)


def check_receivers(
    sendings: Sequence[Sending] | Unknown, states: Mapping[Postback, PostbackState] | Unknown
) -> list[Finding]:
    """A finding for each postback that is parked, and for each host where others are only refused."""
    found: list[Finding] = []
    parked: dict[Postback, PostbackState] = {}
    if isinstance(states, Unknown):
        found.append(unchecked("receivers", "what is parked", states))
    else:
        parked = {postback: state for postback, state in states.items() if state.state == "parked"}
        found += [_parked(postback, state) for postback, state in sorted(parked.items())]
    if isinstance(sendings, Unknown):
        return [*found, unchecked("receivers", "what receivers answered", sendings)]
    failing: dict[str, list[Sending]] = {}
    for one in sendings:
        if one.undelivered and not one.delivered and (one.flow_id, one.postback_id) not in parked:
            failing.setdefault(one.host, []).append(one)
    found += [finding for host, of_host in failing.items() for finding in _host(host, of_host)]
    if not parked and not failing:
        found.insert(0, _fine(sendings))
    return found


def _fine(sendings: Sequence[Sending]) -> Finding:
    delivered = sum(sending.delivered for sending in sendings)
    told = f"{counted(delivered, 'postback')} delivered in the last {HOURS} hours, none that only fails"
    return Finding("receivers", "ok", told if sendings else f"nothing was sent in the last {HOURS} hours")


def _parked(postback: Postback, state: PostbackState) -> Finding:
    flow_id, postback_id = postback
    return Finding(
        "receivers",
        "warn",
        f"{flow_id}/{postback_id} is {state.told()}",
        "Its requests are kept and not sent.",
        f"Put right what it says, then `postbacks release {quote(flow_id)} {quote(postback_id)}`",
    )


def _host(host: str, failing: list[Sending]) -> Iterator[Finding]:
    blocked = [sending for sending in failing if sending.blocked == sending.undelivered]
    if blocked:
        yield Finding(
            "receivers",
            "fail",
            f"{host}: its address is not the open internet, nothing of {_users(blocked)} is sent there",
            _newest(blocked),
            "If it is yours, set POSTBACKS_ALLOW_NETWORKS to its network, such as 10.1.2.0/24, for "
            "OUTBOUND's "
            "workers.",
        )
    if refused := [sending for sending in failing if sending not in blocked]:
        sends = sum(sending.undelivered for sending in refused)
        yield Finding(
            "receivers",
            "fail" if sends >= FEW else "warn",
            f"{host or 'no host'}: {counted(sends, 'send')} of {_users(refused)} in the last {HOURS} hours, "
            "none delivered",
            _newest(refused),
            f"{_cure(_newest(refused))} `postbacks logs list{_by_host(host)} --since {HOURS}h`",
        )


def _by_host(host: str) -> str:
    return f" --host {host}" if host else ""


def _users(sendings: list[Sending]) -> str:
    return listed(sorted({f"{sending.flow_id}/{sending.postback_id}" for sending in sendings}))


def _newest(sendings: list[Sending]) -> str:
    answer = next((sending.answer for sending in sendings if sending.answer), "")
    return f"Newest: {answer}" if answer else ""


def _cure(answer: str) -> str:
    for words, cure in _CURES:
        if any(word in answer.lower() for word in words):
            return cure
    return "Look at what it answers:"
