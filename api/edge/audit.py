"""Records every act of an administrator or operator in the audit log.

Hooks around all routes do this, so that no route can miss it. An act is a request that changes something and needs the
scope `admin`, or that reads a secret. Its entry is written before the route runs, and completed with the result
afterwards. If the store can't take the entry, the act is refused. Entries contain no query, header field or body. A
route adds facts with `note`, which must not be secret.
"""

import re
from dataclasses import replace
from typing import cast

import structlog
from flask import Flask, Response, g, request

from api.edge.authentication import caller, caller_address, is_act
from api.edge.request_ids import origin
from api.services import services
from shared.access.audit import Act, Fact, new_act_id, now
from shared.errors import StoreUnavailable

log = structlog.get_logger()

_MOST_PATH = 300  # characters; ids in paths are far shorter
_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")
_SECRET = re.compile(r"(gp_[a-z2-7]{8}_|whsec_|whsk_)[^/]+")  # somebody may take the text of an API key for its id


def install(app: Flask) -> None:
    """Installs the hooks that record acts.

    They must follow authentication, and the handling of Idempotency-Key: a repeated response is no act.
    """
    app.before_request(_begin)
    app.after_request(_end)


def note(**facts: Fact) -> None:
    """Adds facts to the entry of the current act, such as the id of the API key that it created. Does nothing if the
    current request is no act.
    """
    if "act" in g:
        g.act = replace(_act(), facts={**_act().facts, **facts})


def _begin() -> None:
    rule = request.url_rule
    if rule is None or not is_act(rule.rule, request.method):
        return
    key, address, route = caller().key, caller_address(), _ARGUMENT.sub(r"{\1}", rule.rule)
    g.act = Act(
        act_id=new_act_id(),
        at=now(),
        tenant=caller().tenant,
        act=f"{request.method} {route}",
        key_id=key.key_id if key else None,
        path=_SECRET.sub(r"\1...", request.path)[:_MOST_PATH],
        address=str(address) if address else None,
        request_id=_SECRET.sub(r"\1...", origin().request_id),
    )
    services().audit.record(_act())


def _end(response: Response) -> Response:
    if "act" not in g:
        return response
    body = response.get_json(silent=True) if response.status_code >= 400 and response.is_json else None
    code = body.get("code") if isinstance(body, dict) else None
    act = replace(_act(), status=response.status_code, code=code)
    try:
        services().audit.record(act)
    except StoreUnavailable as error:
        log.warning("audit.incomplete", act_id=act.act_id, act=act.act, status=act.status, error=str(error))
    return response


def _act() -> Act:
    return cast("Act", g.act)
