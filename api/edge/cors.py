"""Allows web pages of other origins to call the API, as GRIDPRESS_CORS_ORIGINS lists them (CORS).

Without that setting no page of another origin may call the API, and responses have no CORS header fields.
"""

import re

from flask import Flask, Response, request
from flask_cors import CORS

from api.services import services
from shared.settings.settings import Settings

ANY = "*"

# Header fields that pages may read, in addition to those that browsers always allow.
_EXPOSED = (
    "Content-Disposition",
    "Grid-Cols",
    "Grid-Rows",
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "retry-after-ms",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-request-id",
    "x-should-retry",
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_PREFLIGHT_S = 600  # a browser caches the response to a preflight request for so long


def install(app: Flask, settings: Settings) -> None:
    """Installs the hooks for CORS if GRIDPRESS_CORS_ORIGINS lists origins. They must precede authentication.

    A preflight request carries no API key. Pages of allowed origins can also read error responses.
    """
    origins = allowed_origins(settings)
    if not origins:
        return
    app.before_request(_answer_preflight)
    CORS(
        app,
        origins=ANY if ANY in origins else [re.compile(re.escape(origin) + r"\Z") for origin in sorted(origins)],
        methods=list(_METHODS),
        expose_headers=list(_EXPOSED),
        max_age=_PREFLIGHT_S,
        send_wildcard=True,
        always_send=False,
    )


def allowed_origins(settings: Settings) -> frozenset[str]:
    """Returns the origins that GRIDPRESS_CORS_ORIGINS lists, without a trailing slash. `*` stands for all origins."""
    return frozenset(origin.strip().rstrip("/") for origin in settings.cors_origins.split(",") if origin.strip())


def is_listed(origin: str) -> bool:
    """Returns whether GRIDPRESS_CORS_ORIGINS lists this exact origin. `*` does not count."""
    return origin != ANY and origin in allowed_origins(services().settings)


def let_pages_show(response: Response) -> Response:
    """Lets pages of other origins show the response as a picture, if GRIDPRESS_CORS_ORIGINS lists origins. Returns it.

    A browser does not say which page shows an `<img>`, so this is for the pages of all origins or of none. They can't
    read the picture's bytes, and they need its URL.
    """
    if allowed_origins(services().settings):
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _answer_preflight() -> Response | None:
    """Responds to a CORS preflight request. Returns None for any other request.

    The response is the same for every path, so that callers without an API key can't find out which routes exist.
    """
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return Response(status=204)
    return None
