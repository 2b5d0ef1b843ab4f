"""Lead events and flows as they are in the trade, each value another one: nothing is cold twice."""

from __future__ import annotations

import json
import random
from typing import Any

LINK = "https://track.er/pb?id={event_id}&click={click}&status={status}&ip={ip}&ua={ua}&sub={subid}&ts={time}"
FACEBOOK = (
    "https://graph.facebook.com/v18.0/PIXEL/events|POST|access_token=TOKEN&data="
    '[{"action_source":"website","event_name":"Lead","event_time":{now},"user_data":{"external_id":"{id}",'
    '"client_ip_address":"{ip}","client_user_agent":"{ua}","fbc":"fb.1.{now}.{adid}",'
    '"fbp":"fb.1.{now}.{id}"}}]'
)
BEGIN_MS = 1_795_446_000_000
_UA = (
    "Mozilla/5.0 (Linux; Android {}; SM-A{}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.{}.{} "
    "Mobile Safari/537.36"
)


def event(number: int, seed: int = 1) -> dict[str, Any]:
    """The lead event of that number, about 755 bytes of JSON, of a lead of its own."""
    dice = random.Random(f"{seed}/{number}")
    return {
        "event_id": f"01JD{dice.getrandbits(96):024X}"[:26],
        "lead_id": f"L-{number}",
        "flow_id": "F-7",
        "status": "new",
        "occurred_at": f"2026-11-23T15:{number // 1000 % 60:02d}:30.{number % 1000:03d}Z",
        "price": dice.randrange(1, 100_000) / 100,
        "currency": "usd",
        "click": {
            "id": f"{dice.getrandbits(128):032x}",
            "ip": ".".join(str(dice.randrange(1, 255)) for _ in range(4)),
            "ua": _UA.format(
                dice.randrange(9, 16),
                dice.randrange(100, 999),
                dice.randrange(90, 150),
                *dice.sample(range(7000), 2),
            ),
            "geo": "UA",
            "lang": "uk",
            "referer": f"https://news{dice.randrange(10_000)}.example/a?b=c",
        },
        "tags": {
            "utm_source": "fb",
            "utm_campaign": f"Summer {dice.randrange(10_000)}",
            "utm_content": f"c{dice.randrange(10_000)}",
            "utm_term": "t1",
            "utm_medium": "cpc",
            "subid": f"s-{dice.getrandbits(40)}",
            "adid": f"{dice.getrandbits(56)}",
        },
        "customer": {
            "name": f"Olha Ko {dice.randrange(10_000)}",
            "phone": f"+38050{dice.randrange(10**6, 10**7)}",
            "email": f"o{dice.randrange(10_000)}@example.com",
        },
        "meta": {"plan": "gold", "n": dice.randrange(100)},
    }


def value(event: dict[str, Any]) -> bytes:
    """The event as the value of its record."""
    return json.dumps(event, separators=(",", ":")).encode()


def flow(flow_id: str = "F-7", template: str = LINK) -> bytes:
    """A flow with one postback on each status."""
    postback = {"id": "p", "on": ["any"], "template": template}
    return json.dumps({"flow_id": flow_id, "postbacks": [postback]}).encode()
