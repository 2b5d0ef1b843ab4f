"""The marks of a drill."""

from __future__ import annotations

import pytest

_EVERY = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow]


def drill(timeout_s: int, *, short: bool = False) -> list[pytest.MarkDecorator]:
    """A drill that ends within `timeout_s`; with a `short` form it is among all tests too."""
    return [*_EVERY, pytest.mark.timeout(timeout_s), *([] if short else [pytest.mark.drill])]
