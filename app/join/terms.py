"""The terms of an installation: what its settings say to JOIN's core."""

from __future__ import annotations

import secrets as randomness

from app.flows.decide import FlowOf
from app.join.build import Terms
from app.kit.secrets import Secrets
from app.settings import Settings


def terms_of(settings: Settings, flow_of: FlowOf, secret: Secrets, *, dry_run: bool = False) -> Terms:
    """Terms by which requests are rendered, for JOIN and for whoever renders as it does."""
    return Terms(
        flow_of=flow_of,
        secret=secret,
        random=lambda: randomness.token_hex(8),
        late_s=settings.late_s,
        ttl_ms=settings.lead_ttl_ms,
        worker=settings.worker,
        dry_run=dry_run,
    )
