"""Limits how many requests and event streams of one tenant are open at once, so that no tenant holds all connections of
the API.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from api.connections.connection import connection_of
from api.quotas import Quotas
from shared.access.limits import TenantLimits, refuse_more_open
from shared.errors import TenantLimitReached
from shared.ids import TenantId

Kind = Literal["connections", "streams"]


def most_open(kind: Kind, quotas: Quotas, limits: TenantLimits) -> int:
    """Returns how many requests or event streams a tenant with these limits may have open at once."""
    own: int | None = getattr(limits, kind)
    return getattr(quotas, kind).most_each if own is None else own


def hold(kind: Kind, quotas: Quotas, tenant: TenantId, limits: TenantLimits, environ: Mapping[str, Any]) -> None:
    """Counts the current request among the tenant's open requests or event streams, until the request has ended.

    `environ` is the WSGI environment of the request. A request that another server than ours received is not counted,
    since nothing tells when it ends. Raises `TenantLimitReached`.
    """
    connection = connection_of(environ)
    if connection is None:
        return
    quota, most = getattr(quotas, kind), most_open(kind, quotas, limits)
    if not quota.take(tenant, most_each=most):
        raise TenantLimitReached(refuse_more_open(kind, most))
    connection.at_end_of_request(partial(quota.give_back, tenant))
