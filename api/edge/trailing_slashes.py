"""Treats a path with a slash at its end like the path without it. A redirect would lose the body of a POST."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request

_HAD_SLASH = "gridpress.had_slash"

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]


def install(app: Flask) -> None:
    """Wraps the app, so that all hooks and routes see the path without the slash.

    Only one slash is removed, and only one that the client sent as such: `%2F` and `//` at the end stay as they are.
    """
    inner: Wsgi = app.wsgi_app

    def without_slash(environ: Environ, start_response: Any) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        sent = str(environ.get("RAW_URI", path)).partition("?")[0]
        if len(path) > 1 and path.endswith("/") and not path.endswith("//") and sent.endswith("/"):
            environ["PATH_INFO"] = path[:-1]
            environ[_HAD_SLASH] = True
        return inner(environ, start_response)

    app.wsgi_app = without_slash  # type: ignore[method-assign]


def had_slash() -> bool:
    """Returns whether the client sent the path of the current request with a slash at its end."""
    return _HAD_SLASH in request.environ
