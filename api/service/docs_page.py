"""Serves the start page `/` with links, and the API reference `/docs`.

The scripts of the reference (Swagger UI) come from an installed Python package, so no CDN is needed.
"""

from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import flask_swagger_ui
from flask import Blueprint, Response, abort, request
from pydantic import BaseModel

from api.edge.proxies import base_url
from api.edge.trailing_slashes import had_slash

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


class ServiceLinks(BaseModel):
    """Links to the main pages of this service."""

    studio: str
    docs: str
    openapi: str
    jobs: str
    health: str
    readiness: str


class Start(BaseModel):
    """The name, the version and the main links of this service."""

    service: str
    version: str
    links: ServiceLinks


@docs.get("/")
def start() -> dict[str, object] | Response:
    """Returns links to the studio, the API reference, the OpenAPI document, the jobs and the health checks.

    A browser, which prefers HTML, is redirected to the studio.
    """
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        return Response(status=302, headers={"Location": f"{request.script_root}/studio", "Vary": "Accept"})
    base = base_url()
    links = ServiceLinks(
        studio=f"{base}/studio",
        docs=f"{base}/docs",
        openapi=f"{base}/openapi.json",
        jobs=f"{base}/v1/jobs",
        health=f"{base}/healthz",
        readiness=f"{base}/readyz",
    )
    return Start(service="gridpress", version=version("gridpress"), links=links).model_dump()


@docs.get("/docs")
def page() -> Response:
    """Returns the API reference as an HTML page, on which requests can be tried out.

    Its links are relative, so a browser that asks for `/docs/` is redirected.
    """
    if had_slash():
        return Response(status=308, headers={"Location": "../docs"})
    response = Response(_PAGE, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _policy(base_url())
    return response


@docs.get("/docs/<name>")
def asset(name: str) -> Response:
    """Returns a script, the style sheet or the icon of the API reference."""
    if name == "start.js":
        return Response(_START_JS, content_type="text/javascript; charset=utf-8")
    if name not in _ASSETS:
        abort(404)
    response = Response((_DIST / name).read_bytes(), content_type=_ASSETS[name])
    response.headers["Cache-Control"] = f"public, max-age={_DAY_S}"
    return response


def _policy(public_url: str) -> str:
    """Returns the Content-Security-Policy of the API reference.

    It allows only content of this service and requests to this service. Swagger UI needs inline styles, and data URLs
    for its icons.
    """
    base = urlsplit(public_url)
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        f"connect-src 'self' {base.scheme}://{base.netloc}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
