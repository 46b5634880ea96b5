"""A store that is restored from a copy goes on as the copied one would have."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cli.stack.servers.valkey import Valkey
from shared.errors import Misconfigured
from shared.ids import JobId
from shared.jobs.job import Job
from shared.jobs.states import JobStatus, Stage
from shared.store.backups.copying import copied_records
from shared.store.backups.restoring import Restoration
from shared.store.core.connect import Client, connect, connect_to_copy
from shared.store.core.opening import adopt_state
from shared.store.core.state_version import KEY, VERSION, StateVersion
from shared.store.inputs.sweep import InputSweepStore
from tests.shared.store.answers import all_deliveries, finish_enhancement
from tests.shared.store.builders import REVISION, WORKER_ID, a_picture, a_prior, message_id
from tests.shared.store.clocks import StoreClock
from tests.shared.store.states.fill import AR, DIT, TENANT, Filling
from tests.shared.store.world import World

STATE = {"version": str(VERSION), "release": "1", "oldest": str(VERSION)}


@pytest.fixture(scope="module")
def other_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Valkey(tmp_path_factory.mktemp("other"))
    yield server.start()
    server.stop()


@pytest.fixture
def other(other_url: str) -> Iterator[Client]:
    """An empty store on another server, as a restore opens it."""
    client = connect_to_copy(other_url)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


def copy(source_url: str, target: Client) -> None:
    restoration = Restoration(target)
    restoration.begin()
    with connect_to_copy(source_url) as source:
        for page in copied_records(source):
            restoration.write(page)
    restoration.end(STATE)


def jobs_of(world: World, names: dict[str, str]) -> dict[str, Job]:
    return {name: world.jobs.job(JobId(value), TENANT) for name, value in names.items() if value.startswith("job_")}


def finish_all(world: World) -> None:
    for stage in (Stage.AR, Stage.DIT) * 2:
        while claim := world.leases.claim(stage, REVISION, WORKER_ID):
            if stage is Stage.AR:
                world.leases.finish_prior(claim.lease, a_prior())
            else:
                world.leases.finish_picture(claim.lease, a_picture())


def test_all_work_goes_on_in_the_restored_store(
    client: Client, valkey_url: str, other: Client, other_url: str, still_clock: None
) -> None:
    """Jobs wait and run in both stages; results, prompts, manifests and webhooks of others wait."""
    filling = Filling(client)
    filling.fill()
    before = jobs_of(filling.world, filling.names)
    StoreClock(other)
    copy(valkey_url, other)
    restored = World.of_valkey(connect(other_url))
    assert jobs_of(restored, filling.names) == before
    for worker in (AR, DIT):
        restored.leases.leave(worker)
    for _ in range(3):
        restored.let_leases_end()
    restored.rescue()
    enhancement = restored.enhancements.claim()
    assert enhancement
    assert finish_enhancement(restored, enhancement, "succeed")
    restored.jobs.retry(before["failed"], None)
    finish_all(restored)
    ended = jobs_of(restored, filling.names)
    assert {name: job.status for name, job in ended.items()} == dict.fromkeys(before, JobStatus.SUCCEEDED)
    ends = {name: message_id(job.job_id, "succeeded") for name, job in ended.items() if name != "told"}
    ends["failed"] += "_1"  # of its second life
    assert set(ends.values()) <= set(all_deliveries(restored))


@pytest.mark.attack
def test_a_store_that_is_not_empty_is_refused_and_stays(other: Client) -> None:
    other.set("gridpress:job:x", "kept")
    for step in (Restoration(other).check, Restoration(other).begin):
        with pytest.raises(Misconfigured, match="not empty, it has the key gridpress:job:x"):
            step()
    assert other.keys("*") == ["gridpress:job:x"]
    other.rename("gridpress:job:x", "another-application")
    Restoration(other).check()


@pytest.mark.attack
def test_no_role_opens_a_store_before_its_restore_has_ended(other: Client, other_url: str) -> None:
    restoration = Restoration(other)
    restoration.begin()
    restoration.write([("gridpress:half", "string", None, "x")])
    with pytest.raises(Misconfigured, match="is being restored"):
        connect(other_url)
    with pytest.raises(Misconfigured, match="is being restored"):
        adopt_state(other)
    assert int(str(other.hget(KEY, "version"))) > VERSION, "earlier releases refuse it too"
    restoration.end(STATE)
    connect(other_url).close()
    assert StateVersion.read(other) == StateVersion(VERSION, "1", VERSION)


def test_a_restore_that_was_cut_short_begins_again(other: Client) -> None:
    first = Restoration(other)
    first.begin()
    first.write([("gridpress:half", "string", None, "x")])
    second = Restoration(other)
    second.check()
    second.begin()
    second.write([("gridpress:whole", "string", None, "x")])
    second.end(STATE)
    assert sorted(other.keys("*")) == [KEY, "gridpress:whole"]


def test_a_restored_and_a_new_store_know_nothing_of_older_condition_images(client: Client, other: Client) -> None:
    Restoration(other).begin()
    Restoration(other).end(STATE)
    adopt_state(client)
    for store in (other, client):
        assert abs(InputSweepStore(store).since() - datetime.now(UTC)) < timedelta(hours=1)


def test_a_store_that_an_earlier_release_filled_knows_of_all_condition_images(client: Client) -> None:
    client.hincrby("gridpress:ledger", "accepted", 1)
    adopt_state(client)
    assert InputSweepStore(client).since() == datetime.fromtimestamp(0, UTC)
