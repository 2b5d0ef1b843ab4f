"""Say what a person would want to hear about a flow that is valid but may not do what they mean.

Every warning has its place in the config. What concerns a template alone is `templates.lint`'s; here is
what needs the flow around it: tokens that belong into secrets, events that come again, macros that can
never have a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from app.flows.config import parse, read_json
from app.flows.fault import is_told, within
from app.flows.flow import Flow, Postback
from app.flows.lint_statuses import lint_statuses
from app.flows.tokens import is_token_header, literal_tokens
from app.kit.signing import SHORTEST_KEY_BYTES, BadKey, keys_of, looks_encoded
from app.templates.lint import lint_template
from app.templates.names import VOLATILE, is_known, nearest_macro

_IDS = ("event_id", "request", "random")


@dataclass(frozen=True, slots=True)
class Warning:
    """A doubt about a config: the place of the value, and what to do about it."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class _Written:
    """A postback, where it stands and whether its `repeat` was written."""

    postback: Postback
    place: str
    template_place: str
    repeat_told: bool


def lint(
    value: bytes, secret: Callable[[str], str | None], of_link: Callable[[str], Iterable[str]] = lambda _: ()
) -> list[Warning]:
    """The warnings about a flow config, in the order of its postbacks; `secret` gives a secret's value.

    `of_link` gives what else there is to say about a template.

    Raises `FlowFault` for a config that would be refused.
    """
    flow = parse(value)
    warnings = list(_of_flow(flow))
    for written in _written(flow, read_json(value)):
        warnings += _of_postback(flow, written)
        warnings += _of_signing(written, secret)
        told = of_link(written.postback.template)
        warnings += [Warning(written.template_place, text) for text in told]
    return warnings


def template_places(flow: Flow, value: bytes) -> Iterator[tuple[Postback, str]]:
    """The postbacks of a flow, each with the place of its template in the config that it was read from."""
    for written in _written(flow, read_json(value)):
        yield written.postback, written.template_place


def _written(flow: Flow, told: object) -> Iterator[_Written]:
    """The postbacks of a valid config with their places; both forms keep the order of `flow.postbacks`."""
    assert isinstance(told, dict)
    postbacks = iter(flow.postbacks)
    form = told.get("postbacks", [])
    if isinstance(form, list):
        for index, one in enumerate(form):
            place = f"postbacks[{index}]"
            yield _Written(next(postbacks), place, within(place, "template"), is_told(one, "repeat"))
        return
    for key, links in form.items():
        count = len(links) if isinstance(links, list) else 1
        for index in range(count):
            place = f"postbacks.{key}[{index}]" if isinstance(links, list) else f"postbacks.{key}"
            yield _Written(next(postbacks), place, place, repeat_told=False)


def _of_flow(flow: Flow) -> Iterator[Warning]:
    if flow.enabled and not any(postback.enabled for postback in flow.postbacks):
        what = "all postbacks are disabled" if flow.postbacks else "the flow has no postbacks"
        yield Warning("postbacks", f"{what}: it sends nothing, and flow * serves its leads")


def _of_postback(flow: Flow, written: _Written) -> Iterator[Warning]:
    postback, at = written.postback, written.template_place
    for text in lint_template(postback.template, postback.headers):
        yield Warning(at, text)
    for text in lint_statuses(postback):
        yield Warning(at, text)
    yield from _tokens(written)
    if text_of_repeat := _repeat(written):
        yield Warning(at, text_of_repeat)
    yield from _never_met(flow, written)
    for name in sorted(postback.program.macros):
        prefix, _, param = name.partition(".")
        if prefix == "param" and param and flow.params.get(param) is None:
            yield Warning(at, f"{{{name}}} is always empty: params has no {param}")


def _tokens(written: _Written) -> Iterator[Warning]:
    for at, _ in literal_tokens(written.postback.template):
        yield Warning(
            written.template_place,
            f"what looks like a token is written at character {at}: put it into a secret, {{secret.NAME}}, "
            "so that it stands in no topic and can be changed in one place",
        )
    for name, value in written.postback.headers.items():
        if is_token_header(name) and "{" not in value:
            place = within(within(written.place, "headers"), name)
            yield Warning(place, "a token is written into a header: put it into a secret, {secret.NAME}")


def _of_signing(written: _Written, secret: Callable[[str], str | None]) -> Iterator[Warning]:
    name = written.postback.delivery.sign_with
    if name is None:
        return
    place = within(written.place, "sign_with")
    if (keys := secret(name)) is None:
        yield Warning(
            place, f"secret {name} is not set here; unless it is where postbacks are sent, none of these is"
        )
        return
    try:
        shortest = min(map(len, keys_of(keys)))
    except BadKey as fault:
        yield Warning(place, f"secret {name} cannot sign: {fault}")
        return
    if looks_encoded(keys):
        yield Warning(
            place,
            f"secret {name} looks like base64 but is taken as it stands: a receiver that decodes it needs "
            "whsec_ before it here",
        )
    elif shortest < SHORTEST_KEY_BYTES:
        yield Warning(
            place,
            f"secret {name} has a key of {shortest} bytes; Standard Webhooks asks for {SHORTEST_KEY_BYTES}",
        )


def _repeat(written: _Written) -> str | None:
    """What is doubtful about an event that may come again, such as the second deposit of a lead."""
    postback = written.postback
    macros = postback.program.macros
    again = [event for event in postback.on if event == "any" or event.startswith("goal")]
    if postback.repeat == "always":
        if macros & VOLATILE:
            return None
        return (
            "repeat is always, but two events that say the same render the same request: "
            "add {event_id}, so that the receiver can tell a second event from one sent twice"
        )
    if again and not written.repeat_told and not macros & frozenset(_IDS):
        return (
            f"{again[0]} may come again, and a request that renders the same as the last is not sent: where "
            'each one counts add {event_id} and write "repeat": "always"'
        )
    if again and not written.repeat_told and macros & frozenset(_IDS):
        named = next(name for name in _IDS if name in macros)
        return (
            f"{again[0]} may come again, and {{{named}}} alone makes no request differ from the last: where "
            'each one counts write "repeat": "always", else "repeat": "on_change"'
        )
    if "price" in postback.on and not macros & {"price", "cash", "currency"}:
        return "a change of price renders the same request, which is not sent again: add {price}"
    return None


def _never_met(flow: Flow, written: _Written) -> Iterator[Warning]:
    postback = written.postback
    wanted_null = {one.field for one in postback.when if one.any_of is not None and _only_null(one.any_of)}
    for index, told in enumerate(postback.require):
        place = f"{written.place}.require[{index}]"
        name, *others = told.split("|")
        if others:  # one of them is enough
            continue
        prefix, _, rest = name.partition(".")
        if prefix == "param" and rest and flow.params.get(rest) is None:
            yield Warning(place, f"can never be met: params has no {rest}, so this postback sends nothing")
        elif name in wanted_null or name.removeprefix("tag.") in wanted_null:
            yield Warning(place, f"can never be met: when asks for a lead without {name}")
        elif not is_known(name):
            yield Warning(
                place,
                f"{name} is met only by leads with a tag of that name; did you mean {nearest_macro(name)}?",
            )


def _only_null(values: tuple[object, ...]) -> bool:
    return all(value is None for value in values)
