"""Converts the description of one route (`Operation`) to an OpenAPI operation object."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from api.openapi.fields import IDEMPOTENCY_KEY, QUOTAS, REPLAYED, REQUEST_ID
from api.openapi.json_schema import REFERENCE, FieldSchemas, without_null
from api.openapi.operation import Body, Field, Json, Operation, Response
from api.openapi.refusals import SharedRefusals, by_status, fields_of, refusals_of
from shared.access.keys import Scope

KEY = "key"


def operation_object(operation: Operation, path: str, method: str, scope: Scope | None, shared: SharedRefusals) -> Json:
    """Returns the OpenAPI operation object of a route. The caller adds its description and its path parameters.

    `scope` is the scope that an API key needs, or None for a public route. Error responses that several routes share
    are added to `shared`.
    """
    what: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [{KEY: []}] if scope else [],  # linters know scopes of OAuth2 alone: `description_of` names ours
        "parameters": [*_query(operation), *_request_fields(operation, method)],
        "responses": {**_responses(operation, method, scope), **_refusals(operation, path, method, scope, shared)},
    }
    if operation.body:
        what["requestBody"] = _body(operation.body)
    return what


def description_of(docstring: str, scope: Scope | None) -> str:
    """Returns the description of a route: the docstring of its view, and the scope that an API key needs."""
    needed = f"\n\nAn API key needs the scope `{scope.value}`." if scope else ""
    return _plain(docstring) + needed


def _plain(docstring: str) -> str:
    """Returns a docstring as Markdown, without the line breaks inside its paragraphs."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.strip().split("\n\n"))


def _query(operation: Operation) -> list[Json]:
    if operation.query is None:
        return []
    schema = operation.query.model_json_schema(ref_template=REFERENCE, schema_generator=FieldSchemas)
    return [_parameter(name, field) for name, field in schema["properties"].items()]


def _parameter(name: str, field: Json) -> Json:
    words = {"description": field.pop("description")} if "description" in field else {}
    return {"name": name, "in": "query", **words, "schema": without_null(field)}


def _request_fields(operation: Operation, method: str) -> list[Json]:
    fields = [*operation.fields, *((IDEMPOTENCY_KEY,) if method == "POST" else ())]
    return [
        {"name": field.name, "in": "header", **({"required": True} if field.is_required else {}), **_field(field)}
        for field in fields
    ]


def _responses(operation: Operation, method: str, scope: Scope | None) -> Json:
    shared = (REQUEST_ID, *(QUOTAS if scope else ()), *((REPLAYED,) if method == "POST" else ()))
    return {str(status): _response(response, shared) for status, response in operation.responses.items()}


def _response(response: Response, shared: Iterable[Field]) -> Json:
    what: Json = {"description": response.description, "headers": _fields([*response.fields, *shared])}
    content = {
        **_json(response.model, response.examples),
        **{kind: dict(media) for kind, media in response.media.items()},
    }
    return {**what, "content": content} if content else what


def _refusals(operation: Operation, path: str, method: str, scope: Scope | None, shared: SharedRefusals) -> Json:
    found = by_status(refusals_of(operation, method, takes_key=scope is not None))
    return {
        str(status): shared.reference(status, refusals, path, _fields((*fields_of(status), REQUEST_ID)))
        for status, refusals in found.items()
    }


def _body(body: Body) -> Json:
    content = {**_json(body.model, body.examples), **{kind: dict(media) for kind, media in body.media.items()}}
    return {"required": body.is_required, "content": content}


def _json(model: type[BaseModel] | None, examples: Mapping[str, Any]) -> Json:
    if model is None:
        return {}
    entry: Json = {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}
    if examples:
        entry["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": entry}


def _fields(fields: Iterable[Field]) -> Json:
    return {field.name: _field(field) for field in fields}


def _field(field: Field) -> Json:
    return {"description": field.description, "schema": dict(field.schema)}
