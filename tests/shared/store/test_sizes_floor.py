"""The floor of the class `batch` on workers of several sizes."""

from dataclasses import replace

import pytest

from shared.ids import TenantId
from shared.jobs.spec import Priority, RenderSettings
from shared.jobs.states import Stage
from shared.schedule.cost import cost_of
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import RULES, a_prior
from tests.shared.store.sizes_fleet import LARGE, LARGE_PX, MEDIUM, ORDINARY_PX, SMALL, A, B, Fleet

BATCH_TENANTS = [TenantId("c"), TenantId("d")]
FLOOR = 0.5


@pytest.fixture
def fleet(client: Client) -> Fleet:
    fleet = Fleet(client)
    fleet.leases = LeaseStore(client, replace(RULES, batch_floor=FLOOR))
    return fleet


def dit_cost(side_px: int) -> int:
    return cost_of(RenderSettings(prompt="a", width_px=side_px, height_px=side_px)).dit


@pytest.mark.parametrize("large_px", [1536, LARGE_PX])
def test_large_batch_renders_get_the_floor_beside_ordinary_ones(fleet: Fleet, large_px: int) -> None:
    """Small workers render the ordinary batch pictures, and must not spend what the large one needs."""
    fleet.submit(large_px, B, priority=Priority.BATCH)
    rounds = int(dit_cost(large_px) / dit_cost(ORDINARY_PX) * (1 - FLOOR) / FLOOR)
    for _ in range(rounds + 4):  # ordinary batch pictures of the large worker come before the tenant's turn
        for tenant in BATCH_TENANTS:
            fleet.submit(ORDINARY_PX, tenant, priority=Priority.BATCH)
        for _ in range(3):
            fleet.submit(ORDINARY_PX, A)
        for sizes in (SMALL, MEDIUM, SMALL):
            if fleet.finished(sizes).tenant == B:
                return
    pytest.fail("the large batch render starves")


def test_small_workers_give_ordinary_batch_renders_their_floor_beside_large_ones(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.submit(LARGE_PX, B, priority=Priority.BATCH)
    served = []
    for _ in range(8):
        fleet.submit(ORDINARY_PX, A), fleet.submit(ORDINARY_PX, BATCH_TENANTS[0], priority=Priority.BATCH)
        served.append(fleet.finished(SMALL).tenant)
    assert served.count(BATCH_TENANTS[0]) == 4


@pytest.mark.parametrize("num_before", [5, 40])
def test_ar_saves_no_credit_for_batch_renders_that_it_may_not_begin(fleet: Fleet, num_before: int) -> None:
    """However long no live DiT worker can render them, interactive renders go on once one can."""
    fleet.beat("small", SMALL)
    for _ in range(8):
        fleet.submit(LARGE_PX, B, Stage.AR, Priority.BATCH)
    for _ in range(num_before):
        fleet.submit(ORDINARY_PX, A, Stage.AR)
        claim = fleet.claim(LARGE, Stage.AR)
        assert claim
        fleet.leases.finish_prior(claim.lease, a_prior())
        fleet.finished(SMALL)
    fleet.beat("large", LARGE)
    tenants = []
    for _ in range(6):
        fleet.submit(ORDINARY_PX, A, Stage.AR)
        claim = fleet.claim(LARGE, Stage.AR)
        assert claim
        tenants.append(claim.tenant)
    assert tenants.count(B) <= 3  # half of the work
