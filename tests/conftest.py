"""What all tests share: in CI a skip is a failure, and no test leaves an error in the log unseen."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.clickhouse", "tests.kafka"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a skip into a failure where POSTBACKS_CI is set."""
    report: pytest.TestReport = yield  # type: ignore[misc, assignment]  # the hook's protocol is untyped
    if os.environ.get("POSTBACKS_CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report  # type: ignore[return-value]
