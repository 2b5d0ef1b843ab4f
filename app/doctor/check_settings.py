"""Settings that are misspelt, or that make the workers do something else than people expect."""

from __future__ import annotations

from collections.abc import Iterator

from app.doctor.facts import Machine
from app.doctor.finding import Finding, Unknown
from app.settings import Settings

GIB = 1024**3
FEW_BYTES = 2 * GIB
NO_BYTES = GIB // 2


def check_settings(machine: Machine, settings: Settings) -> list[Finding]:
    """What is doubtful about the settings and the disk of the data directory."""
    found = [
        Finding("settings", "warn", doubt, do="Put it right, or take it out.") for doubt in machine.doubts
    ]
    found += _sending(settings)
    found += _web(machine, settings)
    found += _disk(machine, settings)
    return found or [Finding("settings", "ok", "every setting is known")]


def _sending(settings: Settings) -> Iterator[Finding]:
    if settings.sending == "dry-run":
        yield Finding(
            "settings",
            "warn",
            "POSTBACKS_SENDING is dry-run: nothing is sent",
            "Every request is rendered and logged as skipped.",
            "Take it out where postbacks are meant to leave, and start the workers again.",
        )
    if any(network.prefixlen == 0 for network in settings.allow_networks):
        yield Finding(
            "settings",
            "warn",
            "POSTBACKS_ALLOW_NETWORKS allows every address",
            "Whoever writes a flow reaches the inside of this network, cloud metadata included.",
            "Name only the networks of your own receivers, such as 10.1.2.0/24.",
        )


def _web(machine: Machine, settings: Settings) -> Iterator[Finding]:
    if machine.web_is_open and not (settings.token or settings.view_token):
        yield Finding(
            "settings",
            "fail",
            f"POSTBACKS_WEB={settings.web_host}:{settings.web_port} is open to other machines, "
            "without a token",
            "A worker with these settings does not start.",
            "Set POSTBACKS_TOKEN or POSTBACKS_VIEW_TOKEN, or listen on 127.0.0.1.",
        )


def _disk(machine: Machine, settings: Settings) -> Iterator[Finding]:
    if isinstance(machine.free_bytes, Unknown) or machine.free_bytes >= FEW_BYTES:
        return
    yield Finding(
        "settings",
        "fail" if machine.free_bytes < NO_BYTES else "warn",
        f"{machine.free_bytes / GIB:.1f} GiB are free for POSTBACKS_DATA_DIR ({settings.data_dir})",
        "JOIN ends when it cannot write its leads.",
        "Free some, or name a folder on another disk.",
    )
