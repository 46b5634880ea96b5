"""Builds the OpenAPI document from the routes of the app, their entries in `OPERATIONS`, and the settings."""

import re
from collections.abc import Iterator
from importlib.metadata import version

from flask import Flask
from pydantic.json_schema import JsonSchemaMode
from werkzeug.routing import BaseConverter, IntegerConverter, Rule

from api.edge.authentication import scope_of
from api.openapi.describe import KEY, description_of, operation_object
from api.openapi.json_schema import body_schemas, referenced
from api.openapi.operation import Json, Model, Operation
from api.openapi.refusals import SHAPES, SharedRefusals
from api.service.openapi_entries import OPERATIONS, TAGS
from api.zai.schemas import ImageRequest
from shared.intake.openai import EditRequest, GenerationRequest
from shared.intake.request import JobRequest
from shared.settings.settings import Settings

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")

_ABOUT = """Renders pictures with GLM-Image. There are three API formats over the same jobs: the service's own at
`/v1/jobs`, OpenAI's and Z.ai's.

Fields and routes may be added to `/v1` at any time, so ignore fields that you don't know. Before a field or route is
removed, it is marked `deprecated` here, and the header fields `Deprecation` and `Sunset` announce its removal."""

_SCHEME: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "gp_<id>_<secret>",
    "description": "An API key, created with `gridpress keys create`. The scope `read` permits reading, `render` "
    "permits creating and cancelling, and `admin` permits everything within the key's tenant. `operator` "
    "shows what belongs to the platform and to all tenants together. Until the first key is "
    "created, an API that listens on loopback needs no key.",
}


def document(app: Flask, settings: Settings, base: str) -> Json:
    """Returns the OpenAPI document of an app with these settings. `base` is the URL at which clients find the app.

    Raises `KeyError` for a route without an entry in `OPERATIONS`.
    """
    shared = SharedRefusals()
    paths = _paths(app, shared)
    schemas = referenced(_schemas(settings), paths, shared.responses)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gridpress",
            "version": version("gridpress"),
            "description": _ABOUT,
            "contact": {"name": "Gridpress contributors"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {"schemas": schemas, "responses": shared.responses, "securitySchemes": {KEY: _SCHEME}},
    }


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Yields every route of the app with each of its methods, sorted by path.

    Leaves out HEAD and OPTIONS, which Flask adds to routes by itself.
    """
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        for method in METHODS:
            if method in (rule.methods or ()):
                yield rule, method


def _paths(app: Flask, shared: SharedRefusals) -> Json:
    paths: Json = {}
    for rule, method in routes(app):
        operation, view = OPERATIONS[rule.endpoint], app.view_functions[rule.endpoint]
        path = _ARGUMENT.sub(r"{\1}", rule.rule)
        scope = scope_of(rule.rule, method)
        what = operation_object(operation, path, method, scope, shared)
        what["description"] = description_of(view.__doc__ or "", scope)
        what["parameters"] = _arguments(rule, operation) + what["parameters"]
        paths.setdefault(path, {})[method.lower()] = what
    return paths


def _arguments(rule: Rule, operation: Operation) -> list[Json]:
    converters = rule._converters  # werkzeug has no public attribute for them
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": dict(operation.arguments.get(name) or _argument(kind)),
        }
        for name, kind in converters.items()
    ]


def _argument(kind: BaseConverter) -> Json:
    return {"type": "integer", "minimum": 0} if isinstance(kind, IntegerConverter) else {"type": "string"}


def _schemas(settings: Settings) -> Json:
    schemas = body_schemas(_models())
    for asked in (JobRequest, ImageRequest, GenerationRequest, EditRequest):
        schemas[asked.__name__]["properties"]["n"]["maximum"] = settings.max_n
    fields = schemas[JobRequest.__name__]["properties"]
    fields["prompt"] |= {"maxLength": settings.max_prompt_chars}
    fields["num_inference_steps"]["maximum"] = settings.max_inference_steps
    fields["images"]["maxItems"] = settings.max_images
    return schemas


def _models() -> set[tuple[Model, JsonSchemaMode]]:
    found: set[tuple[Model, JsonSchemaMode]] = {(shape, "serialization") for shape in SHAPES}
    for operation in OPERATIONS.values():
        found |= {(model, "validation") for model in _request_models(operation)}
        found |= {(response.model, "serialization") for response in operation.responses.values() if response.model}
    return found


def _request_models(operation: Operation) -> list[Model]:
    """Returns the models of a route's request body and query parameters.

    The query model is included, since its parameters may refer to further schemas.
    """
    body = operation.body.model if operation.body else None
    return [model for model in (body, operation.query) if model]
