"""The OpenAPI 3.1 document, built from the routes themselves: what is served is what is described."""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import Struct

from postroom.doors.http.fields import FileBytes
from postroom.doors.http.operation import Operation, id_pattern
from postroom.doors.http.problems import MEDIA_TYPE, TITLES, ProblemDetails

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_NO_NUL = r"^[^\x00]*$"
_ID_KINDS = {"messages": "msg", "recipients": "rcp", "webhooks": "whk", "inbound": "inb", "routes": "rte"}
_OTHER_IDS = {"attempt": "wha"}
_IDEMPOTENCY = (
    "The header `Idempotency-Key` (1 to 255 printable ASCII characters) makes a repetition safe: within 24 hours the "
    "same key and body get the first answer with `Idempotent-Replay: true`, another body gets 422, and 409 says that "
    "the first request is still running."
)
_HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}},
    409: {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}},
}


def build_document(routes: Iterable[object], version: str) -> Json:
    """Return the document of all routes that describe themselves. Raises ValueError for one that does not."""
    found = [
        (route.path_format, method, handler, _operation_of(handler))
        for route in routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in sorted(handler.http_methods)
        if method != "OPTIONS"
    ]
    schemas = _schemas([operation for *_, operation in found])
    paths: Json = {}
    for path, method, handler, operation in found:
        paths.setdefault(path, {})[method.lower()] = _operation(path, handler, operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Postroom",
            "version": version,
            "description": "Send mail, see what became of every recipient. Errors are problem details (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if not name.endswith("Query")},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _operation_of(handler: HTTPRouteHandler) -> Operation:
    operation = handler.opt.get("operation")
    if not isinstance(operation, Operation):
        raise ValueError(f"{handler} does not describe itself")
    return operation


def _schemas(operations: list[Operation]) -> Json:
    models: set[type[Struct]] = {ProblemDetails}
    for operation in operations:
        models.update(model for model in (operation.answers, operation.body, operation.query) if model is not None)
    _, schemas = msgspec.json.schema_components(
        sorted(models, key=lambda model: model.__name__), ref_template=_REF, schema_hook=FileBytes.schema
    )
    asked = {model.__name__ for operation in operations for model in (operation.body, operation.query) if model}
    for model in models:
        schemas[model.__name__].update(getattr(model, "schema_extra", {}))
    for name in _reached(asked, schemas):
        _refuse_nul(schemas[name])
    return schemas


def _reached(names: Iterable[str], schemas: Mapping[str, Json]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += re.findall(r"#/components/schemas/(\w+)", msgspec.json.encode(schemas[name]).decode())
    return found


def _refuse_nul(schema: object) -> None:
    """Say of every text in a request that it holds no NUL, where its form does not say so already."""
    if isinstance(schema, list):
        for item in schema:
            _refuse_nul(item)
    elif isinstance(schema, dict):
        is_free = schema.get("type") == "string" and not {"pattern", "enum", "format", "anyOf"} & schema.keys()
        if is_free:
            schema["pattern"] = _NO_NUL
        for item in list(schema.values()):
            _refuse_nul(item)


def _operation(path: str, handler: HTTPRouteHandler, operation: Operation, schemas: Json) -> Json:
    function = handler.fn
    described: Json = {
        "operationId": function.__name__,
        "summary": operation.summary,
        "description": inspect.cleandoc(function.__doc__ or ""),
        "tags": [_tag(path)],
        "responses": _responses(path, operation),
        "security": [] if operation.public else [{"bearer": []}, {"key": []}],
    }
    parameters = [*_path_parameters(path), *_query_parameters(operation, schemas)]
    if operation.idempotent:
        # Not among the parameters: a key belongs to one body, and tools that draw each
        # parameter by itself send one key with many bodies.
        described["description"] += "\n\n" + _IDEMPOTENCY
        described["x-request-headers"] = {"Idempotency-Key": {"type": "string", "minLength": 1, "maxLength": 255}}
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        schema = {"$ref": _REF.format(name=operation.body.__name__)}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _tag(path: str) -> str:
    return path.removeprefix("/api/v1").split("/")[1]


def _path_parameters(path: str) -> list[Json]:
    parameters = []
    for name in re.findall(r"\{(\w+)\}", path):
        kind = _ID_KINDS.get(_tag(path)) if name == "id" else _OTHER_IDS.get(name)
        schema: Json = {"type": "string", "minLength": 1}
        if kind or name == "number":
            schema = {"type": "string", "pattern": id_pattern(kind) if kind else "^[0-9]{1,5}$"}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    return parameters


def _query_parameters(operation: Operation, schemas: Json) -> list[Json]:
    if operation.query is None:
        return []
    parameters = []
    for name, schema in schemas[operation.query.__name__]["properties"].items():
        # A parameter that is absent is null to us; null itself cannot be written in a query.
        shapes = [shape for shape in schema.get("anyOf", []) if shape.get("type") != "null"]
        shape = shapes[0] if len(shapes) == 1 else schema
        shape = {key: value for key, value in shape.items() if value is not None}
        parameters.append({"name": name, "in": "query", "required": False, "schema": shape})
    return parameters


def _responses(path: str, operation: Operation) -> Json:
    success: Json = {"description": "Done."}
    if operation.answers is not None:
        schema = {"$ref": _REF.format(name=operation.answers.__name__)}
        success["content"] = {"application/json": {"schema": schema}}
    if operation.media_type:
        success["content"] = {operation.media_type: {"schema": {"type": "string", "format": "binary"}}}
    if operation.idempotent:
        success["headers"] = {
            "Idempotent-Replay": {
                "description": "`true`: the answer of an earlier request.",
                "schema": {"type": "string"},
            }
        }
    statuses = {503}
    if not operation.public:
        statuses.add(401)
    if operation.body is not None:
        statuses |= {400, 413, 415, 422}
    if operation.query is not None:
        statuses |= {400, 422}
    if "{" in path:
        statuses.add(404)
    if operation.idempotent or operation.conflicts:
        statuses.add(409)
    return {str(operation.status): success, **{str(status): _problem(status) for status in sorted(statuses)}}


def _problem(status: int) -> Json:
    schema = {"$ref": _REF.format(name="ProblemDetails")}
    problem: Json = {"description": f"{TITLES[status]}.", "content": {MEDIA_TYPE: {"schema": schema}}}
    if status in _HEADERS:
        problem["headers"] = _HEADERS[status]
    return problem
