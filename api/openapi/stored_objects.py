"""Describes the responses of routes that return an object of the object store, for the OpenAPI document."""

from collections.abc import Mapping, Sequence

from werkzeug.exceptions import RequestedRangeNotSatisfiable

from api.openapi.fields import ACCEPT_RANGES, CONTENT_RANGE, DISPOSITION, ETAG, LINK
from api.openapi.media import BYTES
from api.openapi.operation import Refusals, Response
from shared.errors import ObjectNotFound, ObjectStoreUnavailable

REFUSALS: Refusals = (ObjectNotFound, ObjectStoreUnavailable, RequestedRangeNotSatisfiable)


def responses_with(what: str, content_types: Sequence[str]) -> Mapping[int, Response]:
    """Returns the responses of a route with an object. `what` names the object, such as "the picture"."""
    media = dict.fromkeys(content_types, BYTES)
    return {
        200: Response(
            f"{what}, if the API sends the bytes itself (GRIDPRESS_S3_LINKS)",
            media=media,
            fields=(DISPOSITION, ETAG, ACCEPT_RANGES),
        ),
        206: Response("the range of bytes that the request asks for", media=media, fields=(CONTENT_RANGE, ETAG)),
        302: Response(f"a redirect to {what}", fields=(LINK,)),
        304: Response(f"the client has {what} already, as `If-None-Match` shows", fields=(ETAG,)),
    }
