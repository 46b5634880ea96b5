"""Serves the files of the studio, a page without a build step. They are in the folder `page` of the package.

The page needs nothing from other hosts, and its policy lets it load nothing from them.
"""

import hashlib
from functools import cache
from importlib.resources import files

from flask import Blueprint, Response, abort, request

from api.edge.trailing_slashes import had_slash

studio = Blueprint("studio", __name__, url_prefix="/studio")

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@studio.get("")
def page() -> Response:
    """Returns the studio, a page on which people make, find and follow pictures.

    Its links are relative, so a browser that asks for `/studio/` is redirected.
    """
    if had_slash():
        return Response(status=308, headers={"Location": "../studio"})
    response = _file("index.html", "text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@studio.get("/<path:name>")
def asset(name: str) -> Response:
    """Returns a script, the style sheet or the icon of the studio."""
    content_type = _TYPES.get(name.rpartition(".")[2])
    if content_type is None or name not in _names():
        abort(404)
    return _file(name, content_type)


def _file(name: str, content_type: str) -> Response:
    """Returns the response with a file. A browser asks each time whether its copy is current, so an upgrade of the
    service never mixes files of two versions.
    """
    data, digest = _read(name)
    response = Response(data, content_type=content_type)
    response.headers["Cache-Control"] = "no-cache"
    response.set_etag(digest)
    response.make_conditional(request)
    return response


@cache
def _names() -> frozenset[str]:
    """Returns the names of all files of the page, relative to its folder."""
    root = files("api.studio").joinpath("page")
    flat = [each.name for each in root.iterdir() if each.is_file()]
    nested = [f"{folder.name}/{each.name}" for folder in root.iterdir() if folder.is_dir() for each in folder.iterdir()]
    return frozenset((*flat, *nested))


@cache
def _read(name: str) -> tuple[bytes, str]:
    data = files("api.studio").joinpath("page", *name.split("/")).read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:32]
