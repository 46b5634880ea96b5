"""Puts the document together: walks the app's routes and tells each in OpenAPI's words."""

import re
from collections.abc import Iterator
from importlib.metadata import version

from flask import Flask
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import IntegerConverter, Rule

from api.edge.callers import scope_of
from api.openapi.describe import KEY, REFERENCE, plain, told
from api.openapi.entries import OPERATIONS, TAGS
from api.openapi.operation import Json, Model, Operation
from api.openapi.refusals import SHAPES, SharedRefusals
from api.zai.schemas import ImageRequest
from shared.intake.request import JobRequest
from shared.openai.requests import EditRequest, GenerationRequest
from shared.settings.settings import Settings

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")

_ABOUT = """Renders pictures with GLM-Image. All doors lead to the same jobs: this service's own at `/v1/jobs`,
and those in the words of OpenAI and Z.ai.

`/v1` only grows: fields and routes may be added at any time, so ignore what you don't know. What is to go is marked
`deprecated` here first and announced by the header fields `Deprecation` and `Sunset`."""

_SCHEME: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "gp_<id>_<secret>",
    "description": "Made by `gridpress keys create`. Scopes: `read` reads, `render` creates and cancels, `admin` "
    "allows everything of its tenant. Until the first key is created, an API on loopback takes any header or none.",
}


def document(app: Flask, settings: Settings, base: str) -> Json:
    """Of an app with these settings, found at `base`. Raises `KeyError` for a route that has no entry."""
    shared = SharedRefusals()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gridpress", "version": version("gridpress"), "description": _ABOUT},
        "servers": [{"url": base}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": _paths(app, shared),
        "components": {"schemas": _schemas(settings), "responses": shared.responses, "securitySchemes": {KEY: _SCHEME}},
    }


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Every route of the app with each of its methods, but HEAD and OPTIONS, which go by themselves."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        for method in METHODS:
            if method in (rule.methods or ()):
                yield rule, method


def _paths(app: Flask, shared: SharedRefusals) -> Json:
    paths: Json = {}
    for rule, method in routes(app):
        operation, view = OPERATIONS[rule.endpoint], app.view_functions[rule.endpoint]
        path = _ARGUMENT.sub(r"{\1}", rule.rule)
        what = told(operation, path, method, scope_of(rule.rule, method), shared)
        what["description"] = plain(view.__doc__ or "")
        what["parameters"] = _arguments(rule) + what["parameters"]
        paths.setdefault(path, {})[method.lower()] = what
    return paths


def _arguments(rule: Rule) -> list[Json]:
    converters = rule._converters  # what werkzeug has no public name for
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 0} if isinstance(kind, IntegerConverter) else {"type": "string"},
        }
        for name, kind in converters.items()
    ]


def _schemas(settings: Settings) -> Json:
    _, found = models_json_schema(sorted(_models(), key=lambda pair: pair[0].__name__), ref_template=REFERENCE)
    schemas: Json = found["$defs"]
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
        found |= {(model, "validation") for model in _asked(operation)}
        found |= {(answer.model, "serialization") for answer in operation.answers.values() if answer.model}
    return found


def _asked(operation: Operation) -> list[Model]:
    """Models of what is sent. Those of a query are here for the kinds of values that they refer to."""
    body = operation.body.model if operation.body else None
    return [model for model in (body, operation.query) if model]
