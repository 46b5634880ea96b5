"""The route of the OpenAPI document, which is built once per app: building it would hold up all other requests."""

from typing import cast

from flask import Blueprint, Flask, Response, current_app

from api.edge.proxies import base_url
from api.openapi.document import document
from api.services import services
from shared.settings.settings import Settings

openapi = Blueprint("openapi", __name__)

_KEPT = "gridpress.openapi"
_ADDRESS = "https://address.of.this.service.invalid"  # in the kept text, where each caller's own address goes


@openapi.get("/openapi.json")
def read() -> Response:
    """Returns the OpenAPI document of this service, with its configured limits."""
    own = current_app.json.dumps(base_url())
    return Response(_text(current_app).replace(f'"{_ADDRESS}"', own), content_type="application/json")


def prepare(app: Flask, settings: Settings) -> None:
    """Builds the document, so that no request has to."""
    app.extensions[_KEPT] = app.json.dumps(document(app, settings, _ADDRESS))


def _text(app: Flask) -> str:
    if _KEPT not in app.extensions:
        prepare(app, services().settings)
    return cast("str", app.extensions[_KEPT])
