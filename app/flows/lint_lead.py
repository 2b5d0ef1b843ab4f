"""What is doubtful about a postback once it is filled in for a lead. Pure."""

from __future__ import annotations

from app.flows.flow import Postback
from app.templates.facts import Facts
from app.templates.lint_values import empty_macros, lint_values


def lint_for_lead(postback: Postback, facts: Facts) -> list[str]:
    """The warnings about the values that these facts give a postback.

    A macro without a value is no news where `omit_empty` leaves it out or `require` then sends nothing.
    """
    found = lint_values(postback.template, postback.headers, facts)
    if postback.omit_empty:
        return found
    required = {name for told in postback.require for name in told.split("|")}
    empty = empty_macros(postback.template, postback.headers, facts)
    return [text for name, text in empty.items() if name not in required] + found
