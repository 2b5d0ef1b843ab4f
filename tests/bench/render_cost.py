"""CPU µs of a rendering with cold values, beside what people usually render links with.

.venv/bin/python -m tests.bench.render_cost
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, urlencode

from yarl import URL

from app.leads.events import LeadEvent, decode
from app.leads.fold import preview_lead
from app.templates.facts import Facts
from app.templates.program import Program, compile_template
from tests.bench import leads_made
from tests.bench.least import cpu_us, table

COUNT = 20_000
Values = dict[str, str]


def made_facts() -> list[Facts]:
    """What a rendering draws on, each another lead."""
    made = []
    for number in range(COUNT):
        event = decode(leads_made.value(leads_made.event(number)))
        assert isinstance(event, LeadEvent)
        now_ms = leads_made.BEGIN_MS + number
        made.append(
            Facts(
                preview_lead(event), now_ms=now_ms, time_ms=event.occurred_ms(), event="new",
                event_id=event.event_id, postback="p", request=f"{number:032x}", random=f"{number:016x}",
            )
        )  # fmt: skip
    return made


def values_of(facts: Facts) -> Values:
    """The same values as a ready mapping: what the others are given."""
    click, tags = facts.lead.click, facts.lead.tags
    return {
        "id": facts.lead.lead_id, "event_id": facts.event_id or "", "click": click.id or "", "status": "new",
        "ip": click.ip or "", "ua": click.ua or "", "subid": str(tags["subid"]), "adid": str(tags["adid"]),
        "time": str((facts.time_ms or 0) // 1000), "now": str(facts.now_ms // 1000),
    }  # fmt: skip


def _by_re(template: str) -> Callable[[Values], str]:
    macro = re.compile(r"\{([a-z_]+)\}")
    return lambda values: macro.sub(lambda found: quote(values[found[1]], safe=""), template)


def _pairs(values: Values) -> dict[str, str]:
    return {
        "id": values["event_id"], "click": values["click"], "status": values["status"], "ip": values["ip"],
        "ua": values["ua"], "sub": values["subid"], "ts": values["time"],
    }  # fmt: skip


def _fingerprint_us(program: Program, facts: list[Facts]) -> float:
    made = program._pool
    texts = [(raw, [*encoded, *made.fixed]) for raw, encoded in map(made.texts, facts)]
    return cpu_us(lambda told: program._news.fingerprint(*told, made), texts)


def main() -> None:
    """Print the table."""
    facts = made_facts()
    values = [values_of(one) for one in facts]
    link, facebook = compile_template(leads_made.LINK), compile_template(leads_made.FACEBOOK)
    omitting = compile_template(leads_made.FACEBOOK, omit_empty=True)
    base = URL("https://track.er/pb")
    rows = [
        ("link of seven macros, rendered", cpu_us(link.render, facts)),
        ("  of which its fingerprint", _fingerprint_us(link, facts)),
        ("Facebook form, rendered", cpu_us(facebook.render, facts)),
        ("Facebook form, omit_empty", cpu_us(omitting.render, facts)),
        ("link, re.sub and urllib.quote", cpu_us(_by_re(leads_made.LINK), values)),
        ("Facebook form, re.sub and urllib.quote", cpu_us(_by_re(leads_made.FACEBOOK), values)),
        ("link, urllib.urlencode", cpu_us(lambda told: "?" + urlencode(_pairs(told)), values)),
        ("link, yarl with_query", cpu_us(lambda told: str(base.with_query(_pairs(told))), values)),
    ]
    print(table(rows))


if __name__ == "__main__":
    main()
