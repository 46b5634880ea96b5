"""Checks the tenant in the path of a route."""

from api.edge.authentication import caller, is_operator
from shared.access.keys import is_tenant
from shared.errors import TenantNotFound
from shared.ids import TenantId


def tenant_of_path(name: str) -> TenantId:
    """Returns the tenant with this name, if the caller may manage it: the tenant is the caller's own, or the caller is
    an operator.

    Raises `TenantNotFound`. The response does not reveal whether another tenant of this name exists.
    """
    is_permitted = name == caller().tenant or (is_operator() and is_tenant(name))
    if not is_permitted:
        raise TenantNotFound("this tenant does not exist, or is not yours")
    return TenantId(name)
