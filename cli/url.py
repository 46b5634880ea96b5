"""Reads the address of a service that a person typed: a URL, or only host and port."""

from urllib.parse import urlsplit

_SCHEMES = ("http", "https")


def service_url(text: str) -> str:
    """Returns the base URL of a service, without a slash at its end.

    Takes `host:port`, which means http, and a URL that ends with `/v1`, as other clients of the API need it. Raises
    `ValueError` with the reason for any other text.
    """
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        _ = parts.port  # raises ValueError unless it is a number below 65536
    except ValueError as error:
        raise ValueError(f"is not a URL: {error}") from error
    if parts.scheme not in _SCHEMES:
        raise ValueError("must begin with http:// or https://")
    if not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("must name a host, such as http://127.0.0.1:8000")
    if parts.query or parts.fragment:
        raise ValueError("must not contain ? or #")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1').rstrip('/')}"
