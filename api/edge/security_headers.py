"""Adds security header fields to every response, which stop browsers from caching, framing or sniffing it."""

from collections.abc import Mapping

from flask import Response

from api.edge.proxies import base_url

# Presigned links and secrets must not be cached. No response may be framed, sniffed or embedded by other pages.
FIELDS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_YEAR_S = 365 * 24 * 3600


def add_security_headers(response: Response) -> Response:
    """Adds the security header fields to a response and returns it. Runs after every request.

    A field that the route itself has set stays unchanged.
    """
    for name, value in FIELDS.items():
        response.headers.setdefault(name, value)
    if base_url().startswith("https://"):
        response.headers["Strict-Transport-Security"] = f"max-age={_YEAR_S}"
    return response
