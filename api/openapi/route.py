"""The route of the OpenAPI document, which is built once per app, since it never changes while the process runs."""

from flask import Blueprint, Response, current_app

from api.openapi.document import document
from api.services import services

openapi = Blueprint("openapi", __name__)

_KEPT = "gridpress.openapi"


@openapi.get("/openapi.json")
def read() -> Response:
    """Returns the OpenAPI document of this service, with its configured limits."""
    kept = current_app.extensions
    if _KEPT not in kept:
        kept[_KEPT] = current_app.json.dumps(document(current_app, services().settings)).encode()
    return Response(kept[_KEPT], content_type="application/json")
