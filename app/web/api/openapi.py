"""The OpenAPI 3.1 document, made from the routes and the types of their handlers. Pure.

https://spec.openapis.org/oas/v3.1.1.html; schemas are JSON Schema of the same draft as those in `schemas/`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, get_origin

import msgspec

from app.messages.schemas import DIALECT, schemas, tidy
from app.web.api.asked import PreviewAsked
from app.web.api.call import Types, Work, types_of
from app.web.problem import CONTENT_TYPE, ProblemBody
from app.web.who import Role

_REF = "#/components/schemas/"
_PATH_PART = re.compile(r"\{(\w+)\}")
_NAMES = {"app.templates.preview.Shown": "Preview", "app.queries.rows.Shown": "Attempt"}
_HEADERS = {
    "If-Match": "An ETag, or *: else 412 when somebody else was first.",
    "If-None-Match": "*: make a new flow, 412 when there is one.",
}
_ABOUT = """Postbacks: lead events in, postbacks out, a row for everything.

A bearer token is POSTBACKS_TOKEN, which edits, or POSTBACKS_VIEW_TOKEN, which views; a server on loopback
without either asks for none. Every refusal is application/problem+json (RFC 9457); its `errors` name what is
wrong by path. A 503 may be tried again."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `status` is its answer's, `also` others with the same body, `refuses` its own refusals.

    `reads` names the schema of a body that the handler reads by itself, by content type.
    """

    method: str
    path: str
    work: Work
    role: Role
    status: int = 200
    also: tuple[int, ...] = ()
    refuses: tuple[int, ...] = ()
    reads: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document of these routes."""
    routes = list(routes)
    found = [types_of(route.work) for route in routes]
    kinds = [kind for types in found for kind in (types.body, types.value) if kind not in (None, bytes)]
    _, made = msgspec.json.schema_components(
        [*kinds, PreviewAsked, ProblemBody], ref_template=_REF + "{name}"
    )
    components = {_NAMES.get(name, name): tidy(_retold(made[name])) for name in made}
    paths: dict[str, Any] = {}
    for route, types in zip(routes, found, strict=True):
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, types)
    return {
        "openapi": "3.1.1",
        "jsonSchemaDialect": DIALECT,
        "info": {"title": "Postbacks", "version": version("postbacks"), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {**components, **_read_by_hand()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _read_by_hand() -> dict[str, Any]:
    """The bodies that handlers read by themselves: their schemas are those of the topics' values."""
    made = schemas()
    event = {"$ref": f"{_REF}LeadEvent"}
    return {
        **_embedded("LeadEvent", made["lead-event"]),
        **_embedded("FlowConfig", made["flow-config"]),
        "LeadEvents": {
            "anyOf": [event, {"type": "array", "items": event, "minItems": 1, "maxItems": 10_000}]
        },
        "LeadEventLines": {"type": "string", "description": "A lead event a line."},
    }


def _embedded(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its own definitions as components: their names get its name before them."""
    defs = schema.get("$defs", {})
    renamed = {f"#/$defs/{one}": f"{_REF}{name}{one}" for one in defs}

    def moved(node: Any) -> Any:
        if isinstance(node, list):
            return [moved(part) for part in node]
        if not isinstance(node, dict):
            return node
        return {
            key: renamed.get(part, part) if key == "$ref" else moved(part)
            for key, part in node.items()
            if key not in ("$defs", "$id", "$schema")
        }

    return {name: moved(schema), **{f"{name}{one}": moved(part) for one, part in defs.items()}}


def _operation(route: Route, types: Types) -> dict[str, Any]:
    summary, _, more = inspect.cleandoc(route.work.__doc__ or "").partition("\n\n")
    told: dict[str, Any] = {"operationId": route.work.__name__, "summary": " ".join(summary.split())}
    if more:
        told["description"] = more
    if parameters := _parameters(route, types):
        told["parameters"] = parameters
    if body := _body(route, types):
        told["requestBody"] = {"required": True, "content": body}
    told["responses"] = _answers(route, types)
    return told


def _parameters(route: Route, types: Types) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PATH_PART.findall(route.path)
    ]
    found += [
        {"name": name, "in": "header", "description": _HEADERS[name], "schema": {"type": "string"}}
        for name in route.headers
    ]
    for one in msgspec.structs.fields(types.query) if types.query else ():
        schema = tidy(msgspec.json.schema(one.type))
        described = _pop_description(schema)
        found.append(
            {
                "name": one.encode_name,
                "in": "query",
                **({"description": described} if described else {}),
                "schema": _not_null(schema),
                **({"style": "form", "explode": True} if get_origin(one.type) is tuple else {}),
            }
        )
    return found


def _pop_description(schema: dict[str, Any]) -> str:
    told: str = schema.pop("description", "")
    for part in schema.get("anyOf", ()):
        told = part.pop("description", "") or told
    return told


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is absent, never null."""
    if isinstance(schema.get("type"), list):
        return {**schema, "type": next(kind for kind in schema["type"] if kind != "null")}
    for part in schema.get("anyOf", ()):
        if part != {"type": "null"}:
            return dict(part)
    return schema


def _body(route: Route, types: Types) -> dict[str, Any]:
    if route.reads:
        return {kind: {"schema": {"$ref": _REF + name}} for kind, name in route.reads.items()}
    if types.body is None:
        return {}
    return {"application/json": {"schema": {"$ref": _REF + types.body.__name__}}}


def _answers(route: Route, types: Types) -> dict[str, Any]:
    said: dict[str, Any] = {"description": "Done."}
    if types.value is not None:
        said["content"] = {"application/json": {"schema": {"$ref": _REF + _name(types.value)}}}
    found = {str(status): said for status in (route.status, *route.also)}
    refuses = {*route.refuses, 401, 403, 503}
    refuses |= {422} if types.query else set()
    refuses |= {413} if types.body else set()
    for status in sorted(refuses):
        found[str(status)] = {
            "description": HTTPStatus(status).phrase + ".",
            "content": {CONTENT_TYPE: {"schema": {"$ref": f"{_REF}ProblemBody"}}},
        }
    return found


def _name(kind: type) -> str:
    """What a type is called in the document."""
    return _NAMES.get(f"{kind.__module__}.{kind.__qualname__}", kind.__name__)


def _retold(node: Any) -> Any:
    """A schema by our names, and with decimals as what they are written as: numbers."""
    if isinstance(node, list):
        return [_retold(part) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "decimal":
        return {"type": "number"}
    found = {key: _retold(part) for key, part in node.items()}
    if isinstance(ref := node.get("$ref"), str):
        name = ref.removeprefix(_REF)
        found["$ref"] = _REF + _NAMES.get(name, name)
    return found
