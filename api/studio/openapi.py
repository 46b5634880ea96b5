"""OpenAPI entries of the studio and of its session."""

from werkzeug.exceptions import NotFound

from api.openapi.fields import ETAG
from api.openapi.media import BYTES, TEXT
from api.openapi.operation import Field, Operation, Response
from api.studio.session import SessionResponse
from shared.errors import StoreUnavailable

_TAG = "Studio"
_PROOF = Field("Gridpress-Studio", "any text: a proof that the studio itself sends the request", is_required=True)
_COOKIE = Field("Set-Cookie", "the session")
_SIGNED_IN = {
    "access": "keys",
    "is_signed_in": True,
    "tenant": "acme",
    "key_id": "abcdefgh",
    "scopes": ["read", "render"],
}
_SIGNED_OUT = {"access": "keys", "is_signed_in": False, "tenant": None, "key_id": None, "scopes": None}
_SAME = Response("the browser's copy is current")

OPERATIONS = {
    "studio.page": Operation(
        "getStudio",
        _TAG,
        "The studio",
        {200: Response("an HTML page", media={"text/html": TEXT}, fields=(ETAG,)), 304: _SAME},
    ),
    "studio.asset": Operation(
        "getStudioAsset",
        _TAG,
        "File of the studio",
        {
            200: Response(
                "a script, style sheet or icon",
                media={"text/css": TEXT, "text/javascript": TEXT, "image/*": BYTES},
                fields=(ETAG,),
            ),
            304: _SAME,
        },
        (NotFound,),
    ),
    "session.read": Operation(
        "getSession",
        _TAG,
        "Read the session",
        {200: Response("what the caller may do", SessionResponse, examples={"in": _SIGNED_IN, "out": _SIGNED_OUT})},
        (StoreUnavailable,),
    ),
    "session.sign_in": Operation(
        "signIn",
        _TAG,
        "Sign in",
        {200: Response("the session has begun", SessionResponse, fields=(_COOKIE,), examples={"in": _SIGNED_IN})},
        fields=(_PROOF,),
    ),
    "session.sign_out": Operation(
        "signOut",
        _TAG,
        "Sign out",
        {204: Response("the session has ended", fields=(_COOKIE,))},
        fields=(_PROOF,),
    ),
}
