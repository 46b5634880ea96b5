"""Plans with the simulated engine, whose pictures can be foretold."""

import io
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from shared.jobs.spec import SEED_LIMIT
from shared.jobs.token_grid import Prior
from shared.settings.settings import Settings
from tests.chaos.ledger import Request
from tests.chaos.run import Plan
from tests.chaos.schedule import REACHING, STORES, Pace, schedule, silences
from workers.simulate.picture import simulated_grid, simulated_picture

# Slow enough that a killed worker mostly holds something, fast enough that slots are free for what it held.
MODEL = "simulate:ar=400ms,dit=300ms"
_LEASE_TTL_S: float = Settings.model_fields["lease_ttl_s"].default
_SILENCE_S = (1.0, 40.0)
_CALM = Pace(gap_s=0.0, lease_ttl_s=_LEASE_TTL_S, outage_s=0.0, silence_s=_SILENCE_S)
EVERYBODY = (*REACHING, *STORES)


def short_plan(seed: int) -> Plan:
    """Every kind of fault, within a minute: leases are short and outages too."""
    pace = Pace(gap_s=1.0, lease_ttl_s=3.0, outage_s=5.0, silence_s=(1.0, 6.0))
    return _plan(seed, 12, pace, settle_s=60.0)


def silent_plan(seed: int, roles: Sequence[str], bounds_s: tuple[float, float], settle_s: float) -> Plan:
    """Returns a plan without kills: each role is frozen once."""
    return replace(_plan(seed, 0, _CALM, settle_s), silences=silences(seed, roles, bounds_s))


def long_plan(seed: int, num_kills: int) -> Plan:
    """The run whose figures are published."""
    pace = Pace(gap_s=0.5, lease_ttl_s=_LEASE_TTL_S, outage_s=20.0, silence_s=_SILENCE_S)
    return replace(_plan(seed, num_kills, pace, settle_s=900.0), silences=silences(seed, EVERYBODY, _SILENCE_S))


def is_as_foretold(asked: Request, index: int, data: bytes) -> bool:
    """Pixel by pixel."""
    settings, seed = asked.settings, (asked.seed + index) % SEED_LIMIT
    expected = simulated_picture(Prior(simulated_grid(settings, seed)), settings, seed)
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size == expected.size and picture.convert("RGB").tobytes() == expected.tobytes()


def _plan(seed: int, num_kills: int, pace: Pace, settle_s: float) -> Plan:
    return Plan(
        seed=seed,
        faults=schedule(seed, num_kills, pace) if num_kills else (),
        lease_ttl_s=pace.lease_ttl_s,
        model=MODEL,
        workers_per_stage=2,
        has_far_worker=True,
        rate_per_s=3.0,
        settle_s=settle_s,
        cancels=True,
    )
