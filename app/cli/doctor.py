"""`postbacks doctor`: look at an installation, and say what is wrong and what to do about it."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from app.cli.ending import fail
from app.cli.printing import JsonOption, console, print_json, visible
from app.doctor.facts import Facts, Machine
from app.doctor.finding import Finding, Level, Unknown
from app.settings import Settings, doubts, environment, load

_MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warn": ("!", "yellow"),
    "fail": ("✗", "red"),
    "unchecked": ("?", "dim"),
}
_COUNTED: dict[Level, str] = {"fail": "failed", "warn": "doubtful", "ok": "fine", "unchecked": "not checked"}
_A_PIPE = 10_000  # nothing is wrapped where nobody looks
_COMMAND = re.compile(r"`[^`]+`")


def doctor(as_json: JsonOption = False) -> None:
    """Look for what is wrong, and say what to do.

    \b
    The ten commonest mistakes, in this order:
     1. settings   a misspelt variable, dry-run left on, a port open without a token
     2. Kafka      away, another security or user, an advertised address nobody reaches
     3. topics     missing, other partitions, flows not compacted, too short a retention
     4. producers  no key, a key that is not the lead id, CRC-32 instead of murmur2,
                   events that are rejected
     5. workers    a role that nobody runs, lag, records lost before they were read
     6. clocks     that differ; local time sent as UTC
     7. ClickHouse away, tables of another version, a full disk, another database
     8. secrets    that flows name and nobody set
     9. flows      broken, named by no lead, skipping everything
    10. receivers  that refuse everything

    ✓ is fine, ! may lose postbacks, ✗ does, ? could not be looked at. Status 0 without a ✗, 1 with one,
    2 for wrong settings.

    Example: postbacks doctor
    """
    environ = environment()
    settings = load(environ)
    findings = asyncio.run(_examine(settings, environ))
    if as_json:
        print_json(asdict(finding) for finding in findings)
    else:
        _print(findings)
    sys.exit(1 if any(finding.level == "fail" for finding in findings) else 0)


async def _examine(settings: Settings, environ: dict[str, str]) -> list[Finding]:
    from aiokafka.partitioner import murmur2

    from app.doctor.ask_clickhouse import ask_clickhouse
    from app.doctor.ask_kafka import ask_kafka
    from app.doctor.examine import examine
    from app.kit.clock import now_ms
    from app.kit.secrets import Secrets
    from app.stream.kafka import tls_context

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # clients that are given up leave tasks behind
    try:
        tls_context(settings.kafka_auth)
    except OSError as error:  # an SSL error is one too
        fail(f"POSTBACKS_KAFKA_CA_FILE, _CERT_FILE or _KEY_FILE cannot be used: {error}", status=2)
    kafka, clickhouse = await asyncio.gather(ask_kafka(settings, now_ms()), ask_clickhouse(settings, now_ms))
    facts = Facts(now_ms(), _machine(settings, environ), kafka, clickhouse)
    return examine(facts, settings, Secrets(environ, settings.secrets_dir), murmur2)


def _machine(settings: Settings, environ: dict[str, str]) -> Machine:
    from app.web.origin import is_loopback

    return Machine(doubts(environ), not is_loopback(settings.web_host), _free_bytes(settings.data_dir))


def _free_bytes(folder: Path) -> int | Unknown:
    """What is free where the folder is or would be made."""
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path("/"))
    try:
        return shutil.disk_usage(there).free
    except OSError as error:
        return Unknown(str(error))


def _print(findings: Sequence[Finding]) -> None:
    out = console()
    width = out.width if out.is_terminal else _A_PIPE
    group = ""
    for finding in findings:
        if finding.group != group:
            group = finding.group
            out.print(f"[bold]{group}[/bold]")
        for line in _lines(finding, width):
            out.print(line, soft_wrap=True)
    counts = Counter(finding.level for finding in findings)
    told = [f"{counts[level]} {words}" for level, words in _COUNTED.items() if counts[level]]
    out.print(f"\n{', '.join(told)}")


def _lines(finding: Finding, width: int) -> Iterator[str]:
    mark, colour = _MARKS[finding.level]
    first, *more = _wrapped(finding.what, width - 4)
    yield f"  [{colour}]{mark}[/] {first}"
    for line in [*more, *_wrapped(finding.why, width - 4)]:
        yield f"    {line}"
    for index, line in enumerate(_wrapped(finding.do, width - 6)):
        yield f"    {'  ' if index else '→ '}{line}"


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines; a command between backticks stays in one, so that it can be copied."""
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(whole, max(width, 30), break_long_words=False, break_on_hyphens=False)
    return [visible(line.replace("\0", " ")) for line in lines]
