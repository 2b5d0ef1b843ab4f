"""Secrets that flows name and that are not set here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.doctor.finding import Finding, Unknown, counted, listed, unchecked
from app.flows.flow import Flow
from app.kit.oauth import BadCredential, credential_of, is_credential
from app.kit.secrets import in_capitals


def check_secrets(flows: Mapping[str, Flow] | Unknown, secret: Callable[[str], str | None]) -> list[Finding]:
    """A finding for each secret that an enabled postback needs and `secret` does not have."""
    if isinstance(flows, Unknown):
        return [unchecked("secrets", "secrets of the flows", flows)]
    named: dict[str, list[str]] = {}
    for flow in flows.values():
        for postback in flow.postbacks:
            if flow.enabled and postback.enabled:
                key = postback.delivery.sign_with
                signing = {key} if key else set()
                for name in sorted(postback.program.secrets | signing):
                    named.setdefault(name, []).append(f"{flow.flow_id}/{postback.id}")
    found = [_missing(name, users) for name, users in sorted(named.items()) if secret(name) is None]
    found += [_unusable(name, fault) for name in sorted(named) if (fault := _fault(secret(name)))]
    if not found:
        all_set = (
            f"{counted(len(named), 'secret')} named by flows, all set here" if named else "no flow names one"
        )
        found.append(Finding("secrets", "ok", all_set))
    return found


def _fault(value: str | None) -> str | None:
    """Why an OAuth credential cannot be used; None for any other value."""
    try:
        if value is not None and is_credential(value):
            credential_of(value)
    except BadCredential as fault:
        return str(fault)
    return None


def _unusable(name: str, fault: str) -> Finding:
    return Finding(
        "secrets",
        "fail",
        f"secret {name} gets no access token",
        fault,
        "Put the whole JSON of the credential into the secret, as it was downloaded.",
    )


def _missing(name: str, users: list[str]) -> Finding:
    variable = in_capitals(name)
    return Finding(
        "secrets",
        "fail",
        f"secret {name} is not set here: {listed(users)} cannot be sent",
        "Looked for in this environment and in POSTBACKS_SECRETS_DIR; what counts is what "
        "OUTBOUND's workers have "
        "(JOIN's, for hmac).",
        f"Set POSTBACKS_SECRET_{variable}, or put a file {name} into POSTBACKS_SECRETS_DIR.",
    )
