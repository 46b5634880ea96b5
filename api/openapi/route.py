"""The route of the document. It is made and written once per app: nothing in it changes while the process lives."""

from flask import Blueprint, Response, current_app

from api.openapi.document import document
from api.services import services

openapi = Blueprint("openapi", __name__)

_KEPT = "gridpress.openapi"


@openapi.get("/openapi.json")
def read() -> Response:
    """This service's own description, with its own limits."""
    kept = current_app.extensions
    if _KEPT not in kept:
        kept[_KEPT] = current_app.json.dumps(document(current_app, services().settings)).encode()
    return Response(kept[_KEPT], content_type="application/json")
