"""A receiver that follows the Standard Webhooks specification 1.0.0, with a check of its own.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

from tests.contracts.vendor import Answer, Asked

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwQ2RmZk5ixTc="
OTHER_KEY = "whsec_" + "A" * 43 + "="
TOLERANCE_S = 5 * 60


def answer_webhook(asked: Asked) -> Answer:
    """Take what is signed and new enough; the path says how else to answer."""
    if asked.path == "/gone":
        return Answer(410)
    if asked.path == "/busy":
        return Answer(502)
    if not _is_signed(asked):
        return Answer(401, "no matching signature")
    told = asked.json
    if not {"type", "timestamp", "data"} <= set(told or ()):
        return Answer(400, "type, timestamp and data are needed")
    return Answer(204)


def _is_signed(asked: Asked) -> bool:
    message, at = asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
    if abs(time.time() - int(at)) > TOLERANCE_S or "." in message:
        return False
    key = base64.b64decode(KEY.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message}.{at}.".encode() + asked.body, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(wanted, one) for one in asked.headers["webhook-signature"].split(" "))
