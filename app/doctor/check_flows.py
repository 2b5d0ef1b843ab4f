"""Flows that are broken, that no lead names, or that never fire though leads arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches

from app.doctor.facts import Activity
from app.doctor.finding import Finding, Unknown, counted, listed, unchecked
from app.flows.config import FlowFault, parse_record
from app.flows.decide import GLOBAL
from app.flows.flow import Flow
from app.presets.expiry import of_link

DAYS = 7
"""How far back rows and events are looked at."""
MANY_SKIPS = 10
"""A postback that was skipped so often and never sent is worth a word."""

_STATUSES = ("new", "hold", "approve", "cancel", "trash")


def read_flows(
    configs: Mapping[str, bytes] | Unknown,
) -> tuple[Mapping[str, Flow] | Unknown, list[tuple[str, FlowFault]]]:
    """The flows that can be read, and what is wrong with each of the others."""
    if isinstance(configs, Unknown):
        return configs, []
    flows, broken = {}, []
    for key, value in sorted(configs.items()):
        try:
            flows[key] = parse_record(key, value)
        except FlowFault as fault:
            broken.append((key, fault))
    return flows, broken


def check_flows(
    flows: Mapping[str, Flow] | Unknown,
    broken: Sequence[tuple[str, FlowFault]],
    activity: Sequence[Activity] | Unknown,
    events_by_flow: Mapping[str, int] | Unknown,
    today: date,
) -> list[Finding]:
    """What is wrong with the flows as they are, and by what they did in the last days."""
    if isinstance(flows, Unknown):
        return [unchecked("flows", "flows", flows)]
    found = [_broken(key, fault) for key, fault in broken]
    found += [*_silent(flows), *_shadowed(flows), *_ending(flows, today)]
    if not flows and not broken:
        found.append(_none())
    if isinstance(activity, Unknown) or isinstance(events_by_flow, Unknown):
        why = activity if isinstance(activity, Unknown) else events_by_flow
        assert isinstance(why, Unknown)
        return [*(found or [_fine(flows)]), unchecked("flows", "flows that never fire", why)]
    told = {*flows, *(key for key, _ in broken)}
    found += [*_unknown(flows, told, events_by_flow), *_idle(flows, activity, events_by_flow)]
    return found or [_fine(flows)]


def _fine(flows: Mapping[str, Flow]) -> Finding:
    enabled = sum(flow.enabled for flow in flows.values())
    return Finding("flows", "ok", f"{counted(len(flows), 'flow')}, {enabled} enabled, none is broken or idle")


def _none() -> Finding:
    return Finding(
        "flows",
        "warn",
        "there is no flow: nothing is sent",
        do="Write one and save it: `postbacks flows apply flow.json`",
    )


def _broken(key: str, fault: FlowFault) -> Finding:
    return Finding(
        "flows",
        "fail",
        f"flow {key} is broken: {fault}",
        "Workers go on with the last good config that they read; one that starts now has none.",
        f"Correct it and save it again with `postbacks flows apply`, or `postbacks flows delete {key}`",
    )


def _silent(flows: Mapping[str, Flow]) -> Iterator[Finding]:
    """Enabled flows whose postbacks are all disabled."""
    for flow in flows.values():
        if flow.enabled and not any(postback.enabled for postback in flow.postbacks):
            what = "all its postbacks are disabled" if flow.postbacks else "it has no postbacks"
            rest = f"flow {GLOBAL} serves its leads" if GLOBAL in flows and flow.flow_id != GLOBAL else ""
            yield Finding(
                "flows",
                "warn",
                f"flow {flow.flow_id} sends nothing: {what}",
                f"It is enabled, so {rest}." if rest else "",
                'Enable one, or say that it is meant: `"enabled": false` in the flow.',
            )


def _shadowed(flows: Mapping[str, Flow]) -> Iterator[Finding]:
    """Postbacks of flow * on events that every enabled flow serves itself."""
    shared = flows.get(GLOBAL)
    others = [flow for flow in flows.values() if flow.flow_id != GLOBAL and flow.enabled]
    if shared is None or not shared.enabled or not others:
        return
    covered = {event for event in _STATUSES if all(_serves(flow, event) for flow in others)}
    hidden = [p.id for p in shared.postbacks if p.enabled and covered.issuperset(p.on)]
    if hidden:
        yield Finding(
            "flows",
            "warn",
            f"{GLOBAL}/{listed(hidden)} serve no lead of a known flow",
            f"Every enabled flow has a postback of its own on that event, and flow {GLOBAL} steps "
            "in only where "
            "there is none.",
            f"Copy what every lead should send into the flows; flow {GLOBAL} does not come on top.",
        )


def _ending(flows: Mapping[str, Flow], today: date) -> Iterator[Finding]:
    """Versions of vendors' interfaces that are over or soon are, each with those that still send to it."""
    users: dict[str, list[str]] = {}
    for flow in flows.values():
        for postback in flow.postbacks:
            if flow.enabled and postback.enabled:
                for text in of_link(postback.template, today):
                    users.setdefault(text, []).append(f"{flow.flow_id}/{postback.id}")
    for text, postbacks in users.items():
        yield Finding(
            "flows",
            "warn",
            text,
            f"{listed(postbacks)} {'sends' if len(postbacks) == 1 else 'send'} to it.",
            "Change the version in the link, send a test, and save it with `postbacks flows apply`.",
        )


def _serves(flow: Flow, event: str) -> bool:
    return any(
        postback.enabled and (event in postback.on or "any" in postback.on) for postback in flow.postbacks
    )


def _unknown(flows: Mapping[str, Flow], told: set[str], events: Mapping[str, int]) -> Iterator[Finding]:
    """Flow ids that lead events name and no config has."""
    shared = flows.get(GLOBAL)
    if shared is not None and shared.enabled and any(postback.enabled for postback in shared.postbacks):
        return
    strange = {name: count for name, count in events.items() if name and name not in told}
    for name, count in sorted(strange.items(), key=lambda item: -item[1])[:5]:
        near = get_close_matches(name, sorted(flows), n=1)
        yield Finding(
            "flows",
            "warn",
            f"{counted(count, 'lead event')} of the last {DAYS} days "
            f"name{'s' if count == 1 else ''} flow {name}, and there is no such flow",
            f"Nothing is sent. The nearest flow is {near[0]}." if near else "Nothing is sent.",
            f"Correct the producer's flow_id, or save a flow {name} (or {GLOBAL}) with `postbacks "
            "flows apply`",
        )


def _idle(
    flows: Mapping[str, Flow], activity: Sequence[Activity], events: Mapping[str, int]
) -> Iterator[Finding]:
    if not sum(events.values()):
        return
    did = {(one.flow_id, one.postback_id): one for one in activity}
    for flow in flows.values():
        enabled = [postback for postback in flow.postbacks if postback.enabled]
        if not flow.enabled or not enabled or flow.flow_id == GLOBAL:
            continue
        of_flow = [did[flow.flow_id, p.id] for p in enabled if (flow.flow_id, p.id) in did]
        if not any(one.requests for one in of_flow):
            yield _never(flow, of_flow, events)
            continue
        for one in of_flow:
            if not one.requests and one.skips >= MANY_SKIPS:
                yield _skipped(f"postback {one.flow_id}/{one.postback_id} never fires", one.skips, one.reason)


def _never(flow: Flow, did: list[Activity], events: Mapping[str, int]) -> Finding:
    what = f"flow {flow.flow_id} never fires"
    if skips := sum(one.skips for one in did):
        reasons = Counter({one.reason: one.skips for one in did})
        return _skipped(what, skips, reasons.most_common(1)[0][0])
    if named := events.get(flow.flow_id, 0):
        on = sorted({event for postback in flow.postbacks if postback.enabled for event in postback.on})
        return Finding(
            "flows",
            "warn",
            f"{what}: none of {counted(named, 'lead event')} of the last {DAYS} days is one that it "
            "reacts to",
            f"Its postbacks are on {listed(on, 8)}.",
            'Compare with the statuses that the producer sends; `"log_skips": "all"` in the flow '
            "gives a row for "
            "each.",
        )
    return Finding(
        "flows",
        "warn",
        f"{what}: no lead event of the last {DAYS} days names it",
        f"{counted(sum(events.values()), 'lead event')} came for other flows.",
        f'Does the producer send "flow_id": "{flow.flow_id}"? If it is over: `postbacks flows '
        f"delete {flow.flow_id}`",
    )


def _skipped(what: str, skips: int, reason: str) -> Finding:
    kind, _, name = reason.partition(": ")
    cure = {
        "empty": f"Have the producer send what {{{name}}} stands for, or take {name} out of `require`.",
        "condition": f"Compare `when` of the postback with what leads have as {name}.",
        "disabled": "Enable it.",
        "unchanged": 'Where each event counts write `"repeat": "always"`.',
    }.get(kind, "Look at its rows:")
    return Finding(
        "flows",
        "warn",
        f"{what}: {counted(skips, 'skip')} in the last {DAYS} days, most of them {reason!r}",
        do=f"{cure} `postbacks logs list --outcome skipped --since {DAYS}d`",
    )
