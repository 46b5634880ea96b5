"""The expected end of a batch beside people who go on coming, on a virtual clock over the real store."""

import time
from dataclasses import replace
from statistics import median

import pytest

from shared.ids import ObjectKey
from shared.jobs.job import Picture
from shared.jobs.leases import Claim
from shared.store.core.connect import Client
from tests.shared.store.builders import a_picture
from tests.shared.store.conftest import still_clock
from tests.shared.store.virtual_service import VirtualService
from tests.shared.store.world import World
from tests.workers.batches.shop import Json, Shop, some_lines

__all__ = ["still_clock"]

MOST_MEDIAN, MOST_P90 = 0.15, 0.35
PEOPLE_BEFORE, LINES = 10, 24
DIT_S, APART_S = 2.0, 6.0  # people take a third of the DiT


@pytest.fixture
def service(still_clock: None, client: Client) -> VirtualService:
    """Its clock starts now: the API says by the wall clock when a batch expires."""
    world = World.of_valkey(client)
    service = VirtualService(ar_s=1.0, dit_s=DIT_S, tick_s=1.0, picture_of=picture_of, world=world)
    service.world.clock.advance(time.time() - service.world.clock.now_ms() / 1000)
    return service


def picture_of(claim: Claim) -> Picture:
    """Under the keys from which the results of a batch make their links."""
    folder = f"jobs/{claim.job_id}/{claim.index:04d}/{claim.lease.holder}"
    return replace(a_picture(), key=ObjectKey(f"{folder}/image.png"), manifest_key=ObjectKey(f"{folder}/manifest.json"))


def run(service: VirtualService, shop: Shop, seconds: float) -> None:
    """The batch worker looks at its batches every two seconds."""
    ends_s = service.now_s + seconds
    while service.now_s < ends_s:
        shop.stir()
        shop.work()
        service.run_until(service.now_s + 2)


def followed(service: VirtualService, shop: Shop, batch: Json) -> list[tuple[float, float]]:
    """Returns the estimates of a batch until its end, one for each person, with the seconds that it then still took."""
    told: list[tuple[float, float]] = []
    while True:
        found = shop.batch(batch)
        if found["status"] == "completed":
            return [(eta_s, service.now_s - at_s) for eta_s, at_s in told]
        if found["status"] == "in_progress" and found["eta_s"]:
            told.append((found["eta_s"], service.now_s))
        service.submit()
        run(service, shop, APART_S)


def test_people_who_will_come_are_in_the_expected_end_of_a_batch(service: VirtualService, shop: Shop) -> None:
    for _ in range(PEOPLE_BEFORE):
        service.submit()
        service.run_until(service.now_s + APART_S)
    batch = shop.create(some_lines(LINES, size="256x256"))  # as large as the pictures of people
    shop.work()
    told = followed(service, shop, batch)
    errors = [abs(eta_s - took_s) / took_s for eta_s, took_s in told]
    assert len(errors) >= LINES * DIT_S / APART_S
    # Before a line has ended, only the work of the people before says that more will come. Without it: a third off.
    assert errors[0] <= MOST_MEDIAN, told
    assert median(errors) <= MOST_MEDIAN, told
    assert sorted(errors)[int(0.9 * (len(errors) - 1))] <= MOST_P90, told
