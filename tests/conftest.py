"""What all tests share: in CI a skip is a failure."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.clickhouse", "tests.kafka"]

# A machine that does other things meanwhile is slow, which says nothing about what is tested. In CI the
# examples are the same at each run, so that what fails there fails again; elsewhere new ones are looked for.
settings.register_profile(
    "postbacks",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("POSTBACKS_CI")),
)
settings.load_profile("postbacks")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where POSTBACKS_CI is set."""
    report = yield
    if os.environ.get("POSTBACKS_CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
