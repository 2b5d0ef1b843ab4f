"""A command as the tests run it: the product's own, ended by SIGKILL at the point `TEST_KILL_AT`."""

from __future__ import annotations

import functools
import os

from app.cli.main import main
from app.kit import points
from tests.faults.worker_process import kill_at

if __name__ == "__main__":
    points.on_reach = functools.partial(kill_at, os.environ["TEST_KILL_AT"])
    main()
