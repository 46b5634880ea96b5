"""The route of the OpenAPI document. The document is built once for each app, since building it blocks all requests."""

from typing import cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app

from api.edge.proxies import base_url
from api.service.openapi_document import document
from api.services import services
from shared.settings.settings import Settings

openapi = Blueprint("openapi", __name__)

_KEPT = "gridpress.openapi"
_ADDRESS = "https://address.of.this.service.invalid"  # placeholder in the stored text for the path of this API


@openapi.get("/openapi.json")
def read() -> Response:
    """Returns this OpenAPI document, with the limits that this service is configured with.

    The address of the server in it is relative, so it is the one under which the document was fetched.
    """
    own = current_app.json.dumps(urlsplit(base_url()).path or "/")
    return Response(_text(current_app).replace(f'"{_ADDRESS}"', own), content_type="application/json")


def prepare(app: Flask, settings: Settings) -> None:
    """Builds the OpenAPI document and stores it in the app, so that no request has to build it."""
    app.extensions[_KEPT] = app.json.dumps(document(app, settings, _ADDRESS))


def _text(app: Flask) -> str:
    if _KEPT not in app.extensions:
        prepare(app, services().settings)
    return cast("str", app.extensions[_KEPT])
