"""Checks that an API key grants and changes only what it has itself."""

from api.edge.authentication import caller
from api.problems.errors import ExceedsOwnKey, NoKeyYet
from shared.access.rights import Excess, Rights, Scope


def own_rights() -> Rights:
    """Returns the rights of the API key of the current request. Raises `NoKeyYet` while no API key exists."""
    key = caller().key
    if key is None:
        raise NoKeyYet("this API has no key yet: run `gridpress keys create` on its machine, and send that key")
    return key.rights


def check_grant(rights: Rights) -> Rights:
    """Returns the rights unchanged. Raises `ExceedsOwnKey` if the caller's API key has not all of them."""
    _refuse(own_rights().excess_of(rights))
    return rights


def check_scopes(scopes: frozenset[Scope]) -> None:
    """Checks that the caller may change an API key with these scopes. Raises `ExceedsOwnKey` if it lacks one of them.

    So a tenant's `admin` can't end or weaken the API key of an operator.
    """
    excess = own_rights().lacks(scopes)
    _refuse(excess and Excess("", f"{excess.message}, so it can't change this one"))


def _refuse(excess: Excess | None) -> None:
    if excess:
        raise ExceedsOwnKey(excess.message, excess.field or None)
