"""What an earlier release left half done, this release opens, brings up to date and finishes, on real servers."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.objects.store import ObjectStore
from shared.store.core.connect import connect
from shared.store.core.state_version import OLDEST, VERSION, StateVersion
from shared.store.queues.upkeep import UpkeepStore
from tests.chaos.receiver import CountingReceiver
from tests.shared.store import states
from tests.upgrade.dumped import load_objects, load_store
from tests.upgrade.fill import ORDER, ORDERED, SECRET
from tests.upgrade.opened import JOBS, TOLD, Opened, num_pictures
from tests.upgrade.release import ROLES, Release, environment_of, wait_until

pytestmark = pytest.mark.timeout(900)

STORE = Path(states.__file__).with_name("v2.json.gz")
OBJECTS = STORE.with_name("v2.objects.json.gz")


@pytest.fixture(scope="module")
def opened(
    empty_valkey_url: str, s3: S3Endpoint, objects: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    """The service after all work has ended."""
    folder = tmp_path_factory.mktemp("upgrade")
    with CountingReceiver(SECRET) as receiver, connect(empty_valkey_url) as client:
        load_store(client, STORE, receiver.port)
        load_objects(objects, OBJECTS)
        num_before = num_pictures(client)
        environment = environment_of(empty_valkey_url, s3, folder, SECRET)
        with Release("new", folder, environment) as new:
            *_, api = new.start_all(*ROLES)
            with closing(Opened(api.url, client, objects, receiver, num_before)) as found:
                found.wait_until_all_has_ended()
                yield found


def test_every_job_ends_in_its_right_state_with_one_picture_for_each_render(opened: Opened) -> None:
    ended = {name: opened.job(name) for name in JOBS}
    assert {name: job["status"] for name, job in ended.items()} == JOBS
    for name, job in ended.items():
        shown = [image for image in job["images"] if image["url"]]
        pictures = opened.pictures_of(job["id"])
        assert len(pictures) == len(shown) == (job["n"] if JOBS[name] == "succeeded" else 0)
        checksums = {image["sha256"] for image in shown}
        assert all(any(opened.has_checksum(key, sha256) for sha256 in checksums) for key in pictures)


def test_webhooks_are_sent_for_what_nobody_was_told_and_not_again(opened: Opened) -> None:
    """Two receivers are told of each job: its own and the endpoint of the tenant. One has no receiver of its own."""
    sent = {name: list(opened.webhooks_of(name).values()) for name in JOBS}
    assert sent == {name: [] if name in TOLD else [2] for name in JOBS} | {"waits-for-ar": [1]}


@pytest.mark.parametrize(("name", "num_lines"), [("batch-done", 1), ("batch-half", 4), ("batch-paused", 2)])
def test_a_batch_is_finished_with_all_its_lines(opened: Opened, name: str, num_lines: int) -> None:
    batch = opened.batch(name)
    assert batch["request_counts"] == {"total": num_lines, "completed": num_lines, "failed": 0}
    rows = opened.get(f"/v1/batches/{batch['id']}/results", limit=100)["data"]
    assert sorted(row["custom_id"] for row in rows) == [f"line-{number}" for number in range(num_lines)]
    jobs = Counter(len(opened.pictures_of(row["job_id"])) for row in rows)
    assert jobs == {1: num_lines}


def test_keys_and_idempotency_keys_hold(opened: Opened) -> None:
    assert opened.post("/v1/jobs", "revoked", prompt="no").status_code == 401
    assert opened.get("/v1/keys", "admin")["data"]
    again = opened.post("/v1/jobs", headers=ORDER, **ORDERED)
    assert (again.status_code, again.json()["id"]) == (202, opened.names["waits-for-ar"])
    assert opened.post("/v1/jobs", headers=ORDER, prompt="another").status_code in (409, 422)


def test_usage_counts_what_has_ended_since(opened: Opened) -> None:
    rows = opened.get("/v1/usage")["data"]
    assert sum(row["pictures"] for row in rows) == num_pictures(opened.client) - opened.num_before > 0


def test_nothing_became_a_dead_letter_or_was_set_aside(opened: Opened) -> None:
    assert opened.get("/v1/dead_letters", "admin")["data"] == []
    assert opened.client.exists("gridpress:aside", "gridpress:leases") == 0
    version = StateVersion.read(opened.client)
    assert (version.newest, version.oldest) == (VERSION, VERSION)
    assert OLDEST <= VERSION


def test_jobs_of_the_earlier_release_read_after_their_retention_as_before(opened: Opened) -> None:
    """Their manifests, or those that are written now, tell of them. This test is the last of the module."""
    rows = opened.get(f"/v1/batches/{opened.names['batch-done']}/results")["data"]
    ids = [opened.names[name] for name in JOBS] + [row["job_id"] for row in rows]
    before = {job_id: opened.get(f"/v1/jobs/{job_id}") for job_id in ids}
    upkeep = UpkeepStore(opened.client)

    def have_shrunk() -> bool:
        for job_id in ids:
            opened.client.zadd("gridpress:finished", {job_id: 0}, xx=True)
        upkeep.purge(-1)
        return not opened.client.exists(*(f"gridpress:job:{job_id}" for job_id in ids))

    wait_until(have_shrunk)
    for job_id, job in before.items():
        now = opened.get(f"/v1/jobs/{job_id}")
        assert (now["status"], now["revision"]) == (job["status"], job["revision"])
        assert [image["sha256"] for image in now["images"]] == [image["sha256"] for image in job["images"]]
