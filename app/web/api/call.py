"""One call of the API: what was asked, read into its types, and what is answered.

A handler is `async def name(call: Call[Query, Body]) -> Answer[Value]`. Its types say all that a route
needs: `Query` is a struct of the query's parameters (None: it takes none), `Body` that of the JSON body
(`bytes`: the handler reads it by itself), `Value` what is answered as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from aiohttp import web

from app.templates.names import nearest
from app.web.context import Web, asker_in, web_of
from app.web.problem import Problem, Wrong
from app.web.who import Asker

Query = TypeVar("Query")
Body = TypeVar("Body")
Value = TypeVar("Value")
Told = TypeVar("Told", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """What was asked: `web` is the role that answers, `asker` who asks."""

    request: web.Request
    web: Web
    asker: Asker
    query: Query
    body: Body

    def name(self, part: str) -> str:
        """A part of the path, decoded."""
        return self.request.match_info[part]


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """What is answered; a `value` of None has no body."""

    value: Value
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Work = Callable[[Call[Any, Any]], Coroutine[Any, Any, Answer[Any]]]


@dataclass(frozen=True, slots=True)
class Types:
    """What a handler's signature says."""

    query: type | None
    body: type | None
    value: Any


def types_of(work: Work) -> Types:
    """The types of a handler, None for what it has not."""
    hints = get_type_hints(work)
    query, body = (None if kind is type(None) else kind for kind in get_args(hints["call"]))
    [value] = get_args(hints["return"])
    return Types(query, body, None if value is type(None) else value)


def served(work: Work) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    """The handler as aiohttp calls it."""
    types = types_of(work)

    async def handle(request: web.Request) -> web.Response:
        query = read_query(request.query, types.query) if types.query else None
        if request.query and query is None:
            raise refused(next(iter(request.query)), "there is no such parameter: it takes none")
        body = await _read_body(request, types.body)
        answer = await work(Call(request, web_of(request), asker_in(request), query, body))
        content = b"" if answer.value is None else _encoder.encode(answer.value)
        return web.Response(
            status=answer.status,
            body=content,
            headers=answer.headers,
            content_type="application/json" if content else None,
        )

    return handle


def read_query(given: Mapping[str, str], kind: type[Told]) -> Told:
    """The parameters of a query as a struct; one without a value counts as absent. Raises `Problem` 422."""
    fields = {one.encode_name: one.type for one in msgspec.structs.fields(kind)}
    told: dict[str, Any] = {}
    for name in given:
        values = [value for value in given.getall(name) if value.strip()]  # type: ignore[attr-defined]  # aiohttp's MultiDict
        if name not in fields:
            raise refused(name, f"there is no such parameter; did you mean {nearest(name, fields)}?")
        if get_origin(fields[name]) is tuple:
            told[name] = values
        elif len(values) > 1:
            raise refused(name, "it stands twice")
        elif values:
            told[name] = values[0]
    try:
        return msgspec.convert(told, kind, strict=False)
    except msgspec.ValidationError as error:
        raise refused(*_told(error)) from None


def read_json(body: bytes, kind: type[Body]) -> Body:
    """A JSON body as a struct. Raises `Problem` 422 with the path of its first wrong field."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise refused(*_told(error)) from None


def refused(path: str, reason: str, index: int | None = None) -> Problem:
    """A 422: what is wrong at `path`, "" for the whole."""
    where = f"{path}: {reason}" if path else reason
    return Problem(422, where if index is None else f"[{index}] {where}", [Wrong(path, reason, index)])


def _told(error: Exception) -> tuple[str, str]:
    """Path and reason of what msgspec says."""
    reason, _, place = str(error).partition(" - at `$")
    return place.rstrip("`").removeprefix("."), reason[:1].lower() + reason[1:]


async def _read_body(request: web.Request, kind: type | None) -> Any:
    if kind is None:
        return None
    body = await request.read()
    return body if kind is bytes else read_json(body, kind)
