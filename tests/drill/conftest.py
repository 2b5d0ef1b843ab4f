"""Drills run short in `make test-all` and whole in `make drill` (POSTBACKS_DRILL=whole)."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Scale:
    """How long a drill is."""

    whole: bool

    def of(self, short: float, whole: float) -> float:
        """One of two lengths."""
        return whole if self.whole else short


@pytest.fixture(scope="session")
def scale() -> Scale:
    """Short, unless POSTBACKS_DRILL says otherwise."""
    return Scale(os.environ.get("POSTBACKS_DRILL") == "whole")
