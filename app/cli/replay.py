"""`postbacks replay`: requests are sent again."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.clickhouse import (
    ClickOption,
    CodeOption,
    EventOption,
    FlowOption,
    HostOption,
    LeadFlowOption,
    LeadOption,
    OutcomeOption,
    PostbackOption,
    SinceOption,
    TagOption,
    UntilOption,
    filters_of,
)
from app.cli.ending import fail
from app.cli.parking import RateOption, YesOption
from app.cli.printing import JsonOption


def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[REQUEST]...", help="Request ids.")] = None,
    flow: FlowOption = None,
    lead_flow: LeadFlowOption = None,
    postback: PostbackOption = None,
    lead: LeadOption = None,
    click: ClickOption = None,
    host: HostOption = None,
    outcome: OutcomeOption = None,
    verdict: Annotated[
        list[str] | None, typer.Option("--verdict", help="ok, retry, throttle, auth, final, stop, blocked.")
    ] = None,
    code: CodeOption = None,
    event: EventOption = None,
    tag: TagOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    rate: RateOption = 50,
    rerender: Annotated[
        bool, typer.Option("--rerender", help="Render them by the flow as it is now; shows the difference.")
    ] = False,
    ignore_deadline: Annotated[
        bool, typer.Option("--ignore-deadline", help="Send also what is past its postback's deadline.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send requests again, each once, oldest first: by their ids, or by what became of them.

    Asked for without ids and without an outcome it takes those that failed or were blocked. It counts first,
    and asks. Without --rerender the bytes of then are sent, which Kafka keeps for as long as
    POSTBACKS_REQUESTS_RETENTION_DAYS says.

    Example: postbacks replay --flow F-7 --postback fb --outcome failed --since 6h
    """
    from app.cli.replaying import Asked, replay
    from app.queries.again import Chosen
    from app.queries.filters import Filters

    filters = filters_of(
        flow=flow, lead_flow=lead_flow, postback=postback, lead=lead, click=click, host=host, event=event,
        outcomes=outcome, code=code, tags=tag, since=since, until=until,
    )  # fmt: skip
    if not ids and not verdict and filters == Filters():
        fail("say which requests: their ids, or a filter such as --flow F-7 --since 6h", status=2)
    chosen = Chosen(filters, tuple(ids or ()), tuple(verdict or ()))
    replay(Asked(chosen, rate, rerender, ignore_deadline, yes, as_json))
