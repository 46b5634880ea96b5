"""Finds the address of the service and the API key, and makes the arguments of the httpx client."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.access.keys import id_of
from shared.addresses import is_loopback_host

DEFAULT_URL = "http://127.0.0.1:8000"
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


def url_from(given: str | None) -> str:
    """Returns the given URL, else that of `GRIDPRESS_URL`, else the address of a service on this machine.

    Raises `ValueError` for a text that is no URL.
    """
    text = given or os.environ.get("GRIDPRESS_URL") or DEFAULT_URL
    try:
        return service_url(text)
    except ValueError as error:
        raise ValueError(f"the URL {text} {error}") from error


def key_from(given: str | None) -> str | None:
    """Returns the given API key, else that of `GRIDPRESS_API_KEY` or of the file `GRIDPRESS_API_KEY_FILE`, else None.

    Raises `ValueError` if the text is not an API key of Gridpress. It may be a secret of another service, which must
    not be sent.
    """
    key, path = (os.environ.get(f"GRIDPRESS_API_KEY{end}", "").strip() for end in ("", "_FILE"))
    where = "GRIDPRESS_API_KEY"
    if given is not None:
        key, path, where = given.strip(), "", "api_key"
    if key and path:
        raise ValueError("GRIDPRESS_API_KEY and GRIDPRESS_API_KEY_FILE are both set: unset one of them")
    if path:
        key, where = _text_of(Path(path)), path
    if not key and not path:
        return None
    if id_of(key) is None:
        raise ValueError(f"{where} does not contain an API key: `gridpress keys create` prints one")
    return key


def client_arguments(url: str, key: str | None, timeout_s: float) -> dict[str, Any]:
    """Returns the arguments of `httpx.Client` and `httpx.AsyncClient` for a service."""
    return {
        "base_url": url,
        "headers": {"Authorization": f"Bearer {key}"} if key else {},
        "timeout": timeout_s,
        "follow_redirects": True,  # a picture may be a redirect to the object store
        # Requests to this machine must not go through a proxy that the environment names.
        "trust_env": not is_loopback_host(urlsplit(url).hostname or ""),
    }


def _text_of(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"GRIDPRESS_API_KEY_FILE={path} can't be read: {why}") from error
