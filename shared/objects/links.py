"""Decides how clients get objects: from the object store by presigned links, or from the API."""

from urllib.parse import urlsplit

from shared.addresses import is_loopback_host
from shared.settings.settings import Settings


def streams_links(settings: Settings) -> bool:
    """Returns whether the API sends the bytes of objects itself, instead of a redirect to the object store.

    If the setting GRIDPRESS_S3_LINKS is `auto`, it does so if clients can't reach the object store: its address is a
    loopback address, or a name without a dot, which only containers of the same network know.
    """
    if settings.s3_links != "auto":
        return settings.s3_links == "streamed"
    host = urlsplit(settings.s3_public_endpoint_url or settings.s3_endpoint_url or "").hostname
    return host is not None and (is_loopback_host(host) or ("." not in host.rstrip(".") and ":" not in host))
