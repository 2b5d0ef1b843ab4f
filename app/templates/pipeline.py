"""Run a macro's filters over its value, and what filters may ask for beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from app.templates.values import Hashed, Present, Value, settle


class SecretMissing(Exception):
    """A secret that a template names is not set."""

    def __init__(self, name: str) -> None:
        super().__init__(f"secret {name} is not set")
        self.name = name


class Around(Protocol):
    """What a filter may ask for beside its value: the click's country, a secret (None: not set)."""

    @property
    def geo(self) -> str | None: ...

    @property
    def secret(self) -> Callable[[str], str | None]: ...


Step = Callable[[Present, Around], Value]


class Filter(NamedTuple):
    """A compiled filter; `fills` is what it makes of a missing value."""

    step: Step
    fills: Value = None


def run(filters: Sequence[Filter], value: Value, around: Around) -> Value:
    """The value after all filters; None for missing.

    Raises `SecretMissing` from `hmac`.
    """
    value = settle(value)
    for step, fills in filters:
        if value.__class__ is Hashed:
            break
        value = fills if value is None else settle(step(value, around))
    return value
