"""Words the error for a path that no route has. Names the route that the client probably means."""

from collections.abc import Iterator

from flask import current_app

_OFFER = "this service renders pictures: it has OpenAI's routes for images, models, files and batches"


def unknown_route(path: str) -> str:
    """Returns the error message for a path without a route.

    The usual reason is a client of OpenAI with a wrong base URL: without `/v1`, or with more than `/v1`.
    """
    routes = current_app.url_map.bind("")
    meant = next((found for found in _corrected(path) if routes.allowed_methods(found)), None)
    if meant:
        return f"there is no route {path}, but {meant}: the base URL of OpenAI's clients must end in /v1, once"
    return f"there is no route {path}" + (f": {_OFFER}" if path.startswith("/v1/") else "")


def _corrected(path: str) -> Iterator[str]:
    """Yields the paths that a client would have called with the right base URL."""
    yield f"/v1{path}"
    before, _, after = path.rpartition("/v1/")
    if before:
        yield f"/v1/{after}"
