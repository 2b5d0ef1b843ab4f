"""Telegram's Bot API as it documents `sendMessage`.

https://core.telegram.org/bots/api#making-requests and #sendmessage; `ResponseParameters` has `retry_after`.
"""

from __future__ import annotations

import re

from tests.contracts.vendor import Answer, Asked

TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
UNKNOWN_CHAT, FLOODED_CHAT, MOVED_CHAT = "-404", "-429", "-400"


def answer_telegram(asked: Asked) -> Answer:
    """Take one message, or refuse it as Telegram would."""
    if asked.path != f"/bot{TOKEN}/sendMessage":
        return _refused(401, "Unauthorized")
    told = asked.json if asked.json is not None else asked.form
    chat, text = str(told.get("chat_id", "")), told.get("text")
    if not chat:
        return _refused(400, "Bad Request: chat_id is empty")
    if not isinstance(text, str) or not text.strip():
        return _refused(400, "Bad Request: message text is empty")
    if len(text) > 4096:
        return _refused(400, "Bad Request: message is too long")
    if chat == FLOODED_CHAT:
        return _refused(429, "Too Many Requests: retry after 7", retry_after=7)
    if chat == MOVED_CHAT:
        moved = "Bad Request: group chat was upgraded to a supergroup chat"
        return _refused(400, moved, migrate_to_chat_id=-1001)
    if chat == UNKNOWN_CHAT or not re.fullmatch(r"-?[0-9]+|@[A-Za-z0-9_]{5,}", chat):
        return _refused(400, "Bad Request: chat not found")
    return Answer(200, {"ok": True, "result": {"message_id": 1, "text": text}})


def _refused(code: int, description: str, **parameters: int) -> Answer:
    body = {"ok": False, "error_code": code, "description": description}
    return Answer(code, {**body, "parameters": parameters} if parameters else body)
