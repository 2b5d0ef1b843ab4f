"""`postbacks test-send`: really send one request, of a template or a flow's file, and show the answer."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.cli.ending import fail, settings_told
from app.cli.preview import ask_of, told
from app.cli.printing import JsonOption, print_json
from app.flows.config import FlowFault, parse
from app.flows.decide import Fire, Skip, decide
from app.flows.flow import Flow
from app.join.trial import template_request, trial_change, trial_request
from app.kit.clock import now_ms
from app.kit.secrets import Secrets
from app.leads.events import LeadEvent, decode
from app.leads.fold import Change
from app.leads.malformed import Malformed
from app.messages.request import Request
from app.settings import Settings, environment
from app.templates.fault import TemplateFault
from app.templates.preview import Ask, Refused, preview

Pairs = list[str] | None


def send_for_test(
    template: Annotated[
        str | None, typer.Option(metavar="T", help="LINK, LINK|POST|FORM or LINK|JSON|JSON.")
    ] = None,
    flow: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Or a flow's file: what the event fires is sent.")
    ] = None,
    postback: Annotated[
        str | None, typer.Option(metavar="ID", help="Which one, if the event fires more.")
    ] = None,
    event: Annotated[
        str | None, typer.Option(metavar="FILE", help="A lead event as JSON; - is standard input.")
    ] = None,
    set_: Annotated[
        Pairs, typer.Option("--set", metavar="KEY=VALUE", help="Set a field of the event.")
    ] = None,
    header: Annotated[Pairs, typer.Option(metavar="NAME:VALUE", help="With --template: a header.")] = None,
    param: Annotated[Pairs, typer.Option(metavar="NAME=VALUE", help="With --template: a parameter.")] = None,
    omit_empty: Annotated[
        bool, typer.Option("--omit-empty", help="With --template: leave out what is missing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="With --template: refuse unknown macros.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Really send one request and show the answer. Status 0 when its verdict is ok, else 1.

    Its way is that of every postback: the same headers, the same addresses refused, the same verdict rules.
    Secrets are those of the environment, and masked. It is tried once, and no row is written.

    Example: postbacks test-send --flow summer.json --set status=approve --set click=c-9
    """
    settings = settings_told()
    if settings.sending == "dry-run":
        fail("POSTBACKS_SENDING=dry-run: nothing is sent; postbacks preview shows what would be")
    secrets = Secrets(environment(), settings.secrets_dir)
    given = Namespace(
        template=template or "", event=event, set=set_ or [], header=header or [], param=param or [],
        secret=[], omit_empty=omit_empty, strict=strict,
    )  # fmt: skip
    if (template is None) == (flow is None):
        fail("what is to be sent? --template or --flow", status=2)
    if flow is None:
        request = _of_template(_asked(given), settings, secrets)
    else:
        for name in ("header", "param", "omit_empty", "strict"):
            if getattr(given, name):
                fail(f"--{name.replace('_', '-')} goes with --template: a flow says that itself", status=2)
        ask = _asked(given)
        if ask.params:
            fail("--set param.… goes with --template: a flow has its own params", status=2)
        request = _of_flow(_read_flow(flow), _event(ask), postback, settings, secrets)
    _send(settings, secrets, request, as_json)


def _asked(given: Namespace) -> Ask:
    try:
        ask = ask_of(given)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", status=2)
    except ValueError as fault:
        fail(str(fault), status=2)
    if isinstance(ask, Refused):
        fail(f"the event: {ask.error.reason}", status=2)
    return ask


def _event(ask: Ask) -> LeadEvent:
    event = decode(bytes(ask.event), need_ids=False) if bytes(ask.event) else LeadEvent()
    if isinstance(event, Malformed):
        fail(f"the event: {event}", status=2)
    return event


def _read_flow(file: Path) -> Flow:
    try:
        return parse(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as error:
        fail(f"{file}: {error.strerror}", status=2)
    except FlowFault as fault:
        fail(f"{file}: {fault}", status=2)


def _of_template(ask: Ask, settings: Settings, secrets: Secrets) -> Request:
    """What a preview of the same would show."""
    answer = preview(ask, now_ms=now_ms(), random="", reveal=False)
    if isinstance(answer, Refused):
        print(f"postbacks: {told(answer.error, ask.template)}", file=sys.stderr)
        sys.exit(2)
    for warning in answer.warnings:
        print(f"postbacks: warning: {warning}", file=sys.stderr)
    try:
        return template_request(ask, _event(ask), settings, secrets, now_ms())
    except TemplateFault as fault:
        fail(f"it cannot be rendered: {fault.reason}", status=2)


def _of_flow(
    flow: Flow, event: LeadEvent, wanted: str | None, settings: Settings, secrets: Secrets
) -> Request:
    """What the event fires as the first of its lead; unless that is one postback the command ends."""
    change = trial_change(event, flow, now_ms())
    decisions = decide(change, {flow.flow_id: flow}.get)
    fires = [fire for fire in decisions if isinstance(fire, Fire) and wanted in (None, fire.postback.id)]
    if not fires:
        _fail_of_nothing(flow, wanted, [skip for skip in decisions if isinstance(skip, Skip)])
    if len(fires) > 1:
        names = ", ".join(fire.postback.id for fire in fires)
        fail(f"the event fires {names}: choose one by --postback", status=2)
    return _rendered(fires[0], change, settings, secrets)


def _fail_of_nothing(flow: Flow, wanted: str | None, skips: Sequence[Skip]) -> NoReturn:
    known = {postback.id: postback for postback in flow.postbacks}
    if wanted is not None and wanted not in known:
        fail(f"flow {flow.flow_id} has no postback {wanted!r}, it has {', '.join(known) or 'none'}", status=2)
    reasons = [
        f"{skip.postback.id}: {skip.reason}" if skip.postback else skip.reason
        for skip in skips
        if skip.postback is None or wanted in (None, skip.postback.id)
    ]
    if not reasons:
        ons = {name: postback.on for name, postback in known.items() if wanted in (None, name)}
        reasons = [f"{name} is on {', '.join(on)}" for name, on in ons.items()]
        reasons.append("--set status=… gives the event a status")
    fail(f"the event fires nothing to send: {'; '.join(reasons)}")


def _rendered(fire: Fire, change: Change, settings: Settings, secrets: Secrets) -> Request:
    try:
        return trial_request(fire, change, settings, secrets, now_ms())
    except TemplateFault as fault:
        fail(f"postback {fire.postback.id} cannot be rendered: {fault.reason}", status=2)


def _send(settings: Settings, secrets: Secrets, request: Request, as_json: bool) -> NoReturn:
    from app.cli.logs import lines_of
    from app.cli.printing import console, visible
    from app.outbound import trial

    record = asyncio.run(trial.send_once(settings, secrets, request))
    if as_json:
        print_json([trial.as_json(record)])
    else:
        out = console()
        for line in lines_of(record):
            out.print(line, soft_wrap=True)
        if record.reason != record.error:
            out.print(f"reason: {visible(record.reason)}", soft_wrap=True)
    if record.verdict == "blocked":
        print("postbacks: POSTBACKS_ALLOW_NETWORKS opens networks, such as 127.0.0.0/8", file=sys.stderr)
    sys.exit(0 if record.verdict == "ok" else 1)
