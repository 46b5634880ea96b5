"""Which pages of other origins may call (GRIDPRESS_CORS_ORIGINS). Without the setting, none may and nothing is said."""

import re

from flask import Flask, Response, request
from flask_cors import CORS

from api.services import services
from shared.settings.settings import Settings

ANY = "*"

# Beyond what browsers show of themselves.
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
_PREFLIGHT_S = 600  # for which a browser keeps the answer to a preflight


def install(app: Flask, settings: Settings) -> None:
    """Before the hook that asks for a key: a preflight carries none. Refusals are told to allowed pages, too."""
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
    """As the setting names them."""
    return frozenset(origin.strip().rstrip("/") for origin in settings.cors_origins.split(",") if origin.strip())


def is_named(origin: str) -> bool:
    """Whether the setting names this very origin; `*` names none."""
    return origin != ANY and origin in allowed_origins(services().settings)


def _answer_preflight() -> Response | None:
    """The same for every path: who has no key learns nothing about which routes there are."""
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return Response(status=204)
    return None
