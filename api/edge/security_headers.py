"""Header fields that every answer has, so that no browser makes more of it than it is."""

from collections.abc import Mapping

from flask import Response

from api.edge.proxies import base_url

# A presigned link or a secret has no place in a cache; nothing here is to be framed, sniffed or drawn into other pages.
FIELDS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_YEAR_S = 365 * 24 * 3600


def harden(response: Response) -> Response:
    """After every request. A route's own policy and caching stay."""
    for name, value in FIELDS.items():
        response.headers.setdefault(name, value)
    if base_url().startswith("https://"):
        response.headers["Strict-Transport-Security"] = f"max-age={_YEAR_S}"
    return response
