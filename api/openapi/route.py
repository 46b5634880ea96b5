"""The route of the document. It is made once per app: nothing in it changes while the process lives."""

from typing import Any

from flask import Blueprint, current_app

from api.openapi.document import document
from api.services import services

openapi = Blueprint("openapi", __name__)

_KEPT = "gridpress.openapi"


@openapi.get("/openapi.json")
def read() -> dict[str, Any]:
    """This service's own description, with its own limits."""
    kept = current_app.extensions
    if _KEPT not in kept:
        kept[_KEPT] = document(current_app, services().settings)
    made: dict[str, Any] = kept[_KEPT]
    return made
