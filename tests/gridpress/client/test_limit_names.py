"""The client knows every limit that a tenant can have."""

import dataclasses

from gridpress.client.calls.tenants import LimitFields
from shared.access.limits import TenantLimits


def test_every_limit_can_be_set() -> None:
    assert set(LimitFields.__annotations__) == {limit.name for limit in dataclasses.fields(TenantLimits)}
