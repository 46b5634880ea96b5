"""The route of the OpenAPI document, which is built once per app and address: nothing else in it ever changes."""

from flask import Blueprint, Response, current_app

from api.openapi.document import document
from api.proxies import base_url
from api.services import services

openapi = Blueprint("openapi", __name__)

_KEPT = "gridpress.openapi"


@openapi.get("/openapi.json")
def read() -> Response:
    """Returns the OpenAPI document of this service, with its configured limits."""
    base, (kept_base, text) = base_url(), current_app.extensions.get(_KEPT, (None, b""))
    if kept_base != base:
        text = current_app.json.dumps(document(current_app, services().settings, base)).encode()
        current_app.extensions[_KEPT] = base, text
    return Response(text, content_type="application/json")
