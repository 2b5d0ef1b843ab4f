"""Discord's webhooks as it documents them.

https://docs.discord.com/developers/resources/webhook#execute-webhook and /developers/topics/rate-limits
"""

from __future__ import annotations

from tests.contracts.vendor import Answer, Asked

TOKEN = "abcDEF-123_456"
DELETED, FLOODED = "10150000000000000", "42900000000000000"


def answer_discord(asked: Asked) -> Answer:
    """Take one message, or refuse it as Discord would."""
    *start, webhook, token = asked.path.split("/")
    if asked.method != "POST" or start != ["", "api", "v10", "webhooks"]:
        return Answer(404, {"message": "404: Not Found", "code": 0})
    if webhook == DELETED:
        return Answer(404, {"message": "Unknown Webhook", "code": 10015})
    if token != TOKEN:
        return Answer(401, {"message": "Invalid Webhook Token", "code": 50027})
    if webhook == FLOODED:
        limited = {"message": "You are being rate limited.", "retry_after": 64.57, "global": False}
        return Answer(429, limited, {"Retry-After": "65", "X-RateLimit-Scope": "user"})
    told = asked.json
    content = told.get("content") if isinstance(told, dict) else None
    if not isinstance(content, str) or not 1 <= len(content) <= 2000:
        return Answer(400, {"message": "Invalid Form Body", "code": 50035})
    if asked.query.get("wait") != "true":
        return Answer(204)
    return Answer(200, {"id": "1", "content": content, "webhook_id": webhook})
