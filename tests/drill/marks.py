"""The marks of a drill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

_Test = TypeVar("_Test", bound=Callable[..., Any])
_EVERY = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow]


def drill(timeout_s: int, *, short: bool = False) -> list[pytest.MarkDecorator]:
    """A drill that ends within `timeout_s`; with a `short` form it is among all tests too."""
    return [*_EVERY, pytest.mark.timeout(timeout_s), *([] if short else [pytest.mark.drill])]


def marked(timeout_s: int, *, short: bool = False) -> Callable[[_Test], _Test]:
    """The same for one of several drills in a file."""

    def mark(test: _Test) -> _Test:
        for each in drill(timeout_s, short=short):
            test = each(test)
        return test

    return mark
