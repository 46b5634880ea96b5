"""Decides how clients get objects: from the object store by presigned links, or from the API."""

from urllib.parse import urlsplit

from shared.addresses import is_loopback_host
from shared.settings.settings import Settings

# Ends of names that public DNS does not have: Services of Kubernetes, and names reserved for private networks.
_INTERNAL = (".svc", ".cluster.local", ".internal", ".local", ".localhost")


def streams_links(settings: Settings) -> bool:
    """Returns whether the API sends the bytes of objects itself, instead of a redirect to the object store.

    If the setting GRIDPRESS_S3_LINKS is `auto`, it does so if clients can't reach the object store by its address.
    """
    if settings.s3_links != "auto":
        return settings.s3_links == "streamed"
    host = urlsplit(settings.s3_public_endpoint_url or settings.s3_endpoint_url or "").hostname
    return host is not None and _is_internal(host.rstrip("."))


def _is_internal(host: str) -> bool:
    """Returns whether a host is known only to this machine, to the containers of its network, or to its cluster."""
    is_short = "." not in host and ":" not in host  # a container; an IPv6 address has colons
    return is_short or is_loopback_host(host) or host.endswith(_INTERNAL)
