"""An object store that fails, dawdles or lies, in a share of its answers: no picture that is told of is missing."""

import hashlib
from collections.abc import Iterator, Sequence

import pytest

from shared.errors import ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from tests.faults.fleet import Fleet
from tests.faults.s3_proxy import LIES, FaultyS3

_FAILS = ("503", "500", "reset", "hang", "cut", "slow")
_KEY = ObjectKey("test/cut")


@pytest.fixture
def proxy(fleet: Fleet) -> Iterator[FaultyS3]:
    with FaultyS3(str(fleet.settings.s3_endpoint_url)) as made:
        yield made


@pytest.mark.attack
@pytest.mark.parametrize(("kinds", "share"), [(tuple(LIES), 0.15), (_FAILS, 0.4)], ids=["lies", "fails"])
def test_what_succeeded_is_stored_whatever_the_object_store_answers(
    fleet: Fleet, proxy: FaultyS3, objects: ObjectStore, kinds: Sequence[str], share: float
) -> None:
    fleet.start(Stage.AR)
    decoder = fleet.start(Stage.DIT, s3_endpoint_url=proxy.url)
    proxy.misbehave(kinds, share)
    jobs = [fleet.submit(n=4) for _ in range(2)]
    fleet.wait_until(lambda: all(fleet.are_all(job, "succeeded") for job in jobs))
    assert proxy.seen == set(kinds)
    for job in jobs:
        assert [render.attempts for render in fleet.renders(job)] == [2] * 4  # nothing is computed twice
        for render in fleet.renders(job):
            picture = render.picture
            assert picture
            assert hashlib.sha256(objects.get(picture.key)).hexdigest() == picture.sha256
            assert objects.get(picture.grid_key)
            assert objects.get(picture.manifest_key)
    assert ("object_store.not_stored" in decoder.log) == (kinds != _FAILS)


def test_answers_that_are_cut_are_failures_and_no_lies(fleet: Fleet, proxy: FaultyS3, objects: ObjectStore) -> None:
    through_proxy = ObjectStore(fleet.settings.model_copy(update={"s3_endpoint_url": proxy.url}), fails_fast=True)
    objects.put(_KEY, b"stored", "text/plain")
    proxy.misbehave(["cut"], 1.0)
    for call in (
        lambda: through_proxy.put(_KEY, b"stored", "text/plain"),
        lambda: through_proxy.get(_KEY),
        lambda: through_proxy.has(_KEY),
    ):
        with pytest.raises(ObjectStoreUnavailable, match=r"^(?!.*does not hold it)"):
            call()


@pytest.mark.attack
def test_an_object_store_that_refuses_everything_for_a_while_costs_no_picture(
    fleet: Fleet, proxy: FaultyS3, objects: ObjectStore
) -> None:
    fleet.start(Stage.AR)
    decoder = fleet.start(Stage.DIT, s3_endpoint_url=proxy.url)
    proxy.misbehave(["403"], 1.0)
    job = fleet.submit(n=2)
    fleet.wait_until(lambda: decoder.log.count("render.record_delayed") >= 2)
    proxy.heal()
    fleet.wait_until(lambda: fleet.are_all(job, "succeeded"))
    for render in fleet.renders(job):
        assert render.picture
        assert objects.get(render.picture.key)
