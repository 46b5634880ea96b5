"""`eta_s` at submission beside what came true, on a virtual clock: AR takes 1 s in 4 rows, the DiT 2 s a picture."""

import random
import statistics
from collections.abc import Sequence

from shared.jobs.spec import Priority
from tests.shared.store.virtual_service import Told, VirtualService

BATCH = Priority.BATCH
MOST_MEDIAN, MOST_P90 = 0.15, 0.35


def a_measured_service() -> VirtualService:
    """It has finished some renders, alone and beside others."""
    service = VirtualService(ar_s=1, dit_s=2)
    for _ in range(6):
        service.submit()
    service.run_out()
    service.told.clear()
    return service


def errors(told: Sequence[Told]) -> tuple[float, float]:
    """The median and the 90th of 100."""
    found = sorted(each.error for each in told)
    return statistics.median(found), found[int(0.9 * len(found))]


def a_person_in(service: VirtualService, seconds: float) -> None:
    service.run_until(service.now_s + seconds)
    service.submit()


def at_random(service: VirtualService, rate: float, num: int) -> None:
    """Jobs of people that come independently of each other, `rate` a second."""
    rng = random.Random(5)
    for _ in range(num):
        a_person_in(service, rng.expovariate(rate))


def test_an_idle_service_keeps_its_word() -> None:
    service = a_measured_service()
    for _ in range(8):
        service.submit()
        service.run_out()
    assert max(errors(service.told)) < 0.1


def test_a_service_at_half_load_keeps_its_word() -> None:
    service = a_measured_service()
    at_random(service, rate=0.25, num=25)
    service.run_out()
    median, p90 = errors(service.told)
    assert (median <= MOST_MEDIAN, p90 <= MOST_P90) == (True, True), (median, p90)


def test_a_full_queue_keeps_its_word() -> None:
    service = a_measured_service()
    for _ in range(20):
        service.submit()
    service.run_out()
    median, p90 = errors(service.told)
    assert (median <= MOST_MEDIAN, p90 <= MOST_P90) == (True, True), (median, p90)


def test_a_person_beside_bulk_is_told_the_truth() -> None:
    service = a_measured_service()
    for _ in range(16):
        service.submit(BATCH)
    for _ in range(4):
        a_person_in(service, 6)
    service.run_out()
    median, p90 = errors([told for told in service.told if told.priority is Priority.INTERACTIVE])
    assert (median <= MOST_MEDIAN, p90 <= MOST_P90) == (True, True), (median, p90)


def test_bulk_beside_people_is_told_the_truth() -> None:
    """People take a third of the DiT before and after the bulk comes. Without them, estimates would be a third off."""
    service = a_measured_service()
    for _ in range(25):
        a_person_in(service, 6)
    for _ in range(25):
        service.submit(BATCH)
    while service.is_open(BATCH):
        a_person_in(service, 6)
    median, p90 = errors([told for told in service.told if told.priority is BATCH])
    assert (median <= MOST_MEDIAN, p90 <= MOST_P90) == (True, True), (median, p90)
