"""Routes with which the studio signs in by an API key, and signs out. Its cookie can't be read by scripts."""

import time
from typing import Any

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, Field

from api.edge.authentication import SESSION_COOKIE, caller, check_own_page, is_open, key_owner, sent_key
from api.edge.proxies import base_url
from api.problems.errors import Unauthorized
from api.services import Services, services
from shared.access.sessions import new_token
from shared.store.access.key_ring import Holder

session = Blueprint("session", __name__, url_prefix="/v1/session")


class SessionResponse(BaseModel):
    """What the caller may do. `tenant`, `key_id` and `scopes` are null without a valid API key or session."""

    access: str = Field(description="open: no API key exists yet, so none is needed; keys: an API key is needed")
    is_signed_in: bool = Field(description="true if the caller may use the API: it has a key, or none is needed")
    tenant: str | None
    key_id: str | None
    scopes: list[str] | None


@session.get("")
def read() -> dict[str, Any]:
    """Returns whether the caller may use the API, and with which API key."""
    return _state(services()).model_dump()


@session.post("")
def sign_in() -> Response:
    """Starts a session for a page: checks the API key in `Authorization`, and sets a cookie that stands for it later.

    Scripts can't read the cookie, other sites can't send it, and it ends with the browser, after 12 hours, or with the
    API key. Requests with the cookie that change something need the header field `Gridpress-Studio`, and so does this
    one. Programs send the API key itself and need no session.
    """
    check_own_page()
    deps, text = services(), sent_key()
    if caller().key is None:
        return jsonify(_state(deps).model_dump())  # no API key exists, so none is needed
    found = deps.keys.holder(text) if text else None
    if found is None:
        raise Unauthorized("a session begins with an API key: Authorization: Bearer gp_...")
    response = jsonify(_of(found).model_dump())
    token = new_token(found.key, deps.signing_key.private.private_bytes_raw(), time.time())
    response.set_cookie(SESSION_COOKIE, token, **_attributes())
    return response


@session.delete("")
def sign_out() -> tuple[str, int, dict[str, str]]:
    """Ends the session of a page and returns 204. Without a session nothing changes."""
    check_own_page()
    response = Response()
    response.delete_cookie(SESSION_COOKIE, **_attributes())
    return "", 204, {"Set-Cookie": response.headers["Set-Cookie"]}


def _state(deps: Services) -> SessionResponse:
    if is_open(deps):
        return SessionResponse(access="open", is_signed_in=True, tenant=None, key_id=None, scopes=None)
    found = key_owner(deps)
    if found is None:
        return SessionResponse(access="keys", is_signed_in=False, tenant=None, key_id=None, scopes=None)
    return _of(found)


def _of(holder: Holder) -> SessionResponse:
    key = holder.key
    return SessionResponse(
        access="keys", is_signed_in=True, tenant=key.tenant, key_id=key.key_id, scopes=sorted(key.scopes)
    )


def _attributes() -> dict[str, Any]:
    """Returns the attributes of the cookie. It is sent to this API only, and over TLS only where the API has TLS."""
    return {
        "path": f"{request.script_root}/",
        "secure": base_url().startswith("https://"),
        "httponly": True,
        "samesite": "Strict",
    }
