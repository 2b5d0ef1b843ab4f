"""Slack's incoming webhooks as it documents them.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks; the errors:
https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
"""

from __future__ import annotations

from tests.contracts.vendor import Answer, Asked

TOKEN = "XXXXXXXXXXXXXXXXXXXXXXXX"
ARCHIVED, FLOODED = "B0ARCHIVED", "B0FLOODED"


def answer_slack(asked: Asked) -> Answer:
    """Take one message, or refuse it as Slack would."""
    services, team, webhook, token = asked.path.removeprefix("/").split("/")
    if asked.method != "POST" or services != "services" or not team:
        return Answer(404, "no_team")
    if token != TOKEN:
        return Answer(404, "no_service")
    if webhook == FLOODED:
        return Answer(429, "rate_limited", {"Retry-After": "30"})
    if webhook == ARCHIVED:
        return Answer(410, "channel_is_archived")
    told = asked.json
    if not isinstance(told, dict) or not told.get("text"):
        return Answer(400, "invalid_payload" if told is None else "no_text")
    for block in told.get("blocks", []):
        text = block["text"]
        if text["type"] not in ("plain_text", "mrkdwn") or not 1 <= len(text["text"]) <= 3000:
            return Answer(400, "invalid_blocks")
    return Answer(200, "ok")
