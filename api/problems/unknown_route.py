"""Words the error for a path that no route has. Names the route that the client probably means."""

from collections.abc import Iterator

from flask import current_app

_OFFER = "This service renders pictures, and has OpenAI's routes for images, models, files and batches"
_MOST_PARTS = 3  # of a path's end that are compared with the routes; a path may have thousands of parts


def unknown_route(path: str) -> str:
    """Returns the error message for a path without a route.

    The usual reason is a client of OpenAI with a wrong base URL: without `/v1`, or with more than `/v1`.
    """
    routes = current_app.url_map.bind("")
    meant = next((found for found in _corrected(path) if routes.allowed_methods(found)), None)
    if meant:
        return f"there is no route {path}. Use {meant}: the base URL of OpenAI's clients ends in /v1, once"
    return f"there is no route {path}" + (f". {_OFFER}" if path.startswith("/v1/") else "")


def _corrected(path: str) -> Iterator[str]:
    """Yields the paths that a client with the right base URL may have called.

    A path with one `/v1` at its start has the right base URL.
    """
    before, _, after = path.rpartition("/v1/")
    if before:
        yield f"/v1/{after}"
    elif not path.startswith("/v1/"):
        parts = path.split("/")[1:]
        yield from (f"/v1/{'/'.join(parts[-count:])}" for count in range(min(_MOST_PARTS, len(parts)), 0, -1))
