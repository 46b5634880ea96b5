"""Where a person begins: links at `/`, and at `/docs` the API reference, whose Swagger UI comes from a wheel."""

from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import flask_swagger_ui
from flask import Blueprint, Response, abort
from pydantic import BaseModel

from api.edge.proxies import base_url

docs = Blueprint("docs", __name__)

_DIST = Path(flask_swagger_ui.__file__).parent / "dist"
_ASSETS = {
    "favicon-32x32.png": "image/png",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
_DAY_S = 24 * 3600

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gridpress API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
<div id="reference"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START_JS = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "list",
  displayRequestDuration: true,
  filter: true,
  validatorUrl: null,
});
"""


class Links(BaseModel):
    """Where to go from here."""

    docs: str
    openapi: str
    jobs: str
    health: str
    readiness: str


class Start(BaseModel):
    """What answers here."""

    service: str
    version: str
    links: Links


@docs.get("/")
def start() -> dict[str, object]:
    """Links to the API reference, the OpenAPI document and the health checks."""
    base = base_url()
    links = Links(
        docs=f"{base}/docs",
        openapi=f"{base}/openapi.json",
        jobs=f"{base}/v1/jobs",
        health=f"{base}/healthz",
        readiness=f"{base}/readyz",
    )
    return Start(service="gridpress", version=version("gridpress"), links=links).model_dump()


@docs.get("/docs")
def page() -> Response:
    """The API reference, where requests can be tried out."""
    response = Response(_PAGE, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _policy(base_url())
    return response


@docs.get("/docs/<name>")
def asset(name: str) -> Response:
    """A script, the style or the icon of the page."""
    if name == "start.js":
        return Response(_START_JS, content_type="text/javascript; charset=utf-8")
    if name not in _ASSETS:
        abort(404)
    response = Response((_DIST / name).read_bytes(), content_type=_ASSETS[name])
    response.headers["Cache-Control"] = f"public, max-age={_DAY_S}"
    return response


def _policy(public_url: str) -> str:
    """Nothing from elsewhere. Swagger UI sets styles inline and has its icons in data URLs; requests go to us."""
    base = urlsplit(public_url)
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        f"connect-src 'self' {base.scheme}://{base.netloc}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
