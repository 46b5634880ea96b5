"""What operators see of a tenant in a list. Does no I/O."""

from dataclasses import dataclass

from shared.access.limits import Load
from shared.ids import TenantId


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """A tenant as operators see it in a list.

    `num_keys` counts its API keys, also those that have ended. `num_open_jobs` counts jobs that have not ended, and
    `load` their renders. `has_limits` says whether at least one limit is set.
    """

    tenant: TenantId
    num_keys: int
    num_open_jobs: int
    load: Load
    stored_bytes: int
    has_limits: bool
    has_bucket: bool
    is_paused: bool
    is_erasing: bool
