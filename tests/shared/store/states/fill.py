"""Fills a store with jobs and batches in many states: `python -m tests.shared.store.states.fill FILE` dumps it.

Run it with the code of a release that is the last one before a new version of the state. The next release has to open
the dump and finish all work in it.
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.stack.servers.valkey import Valkey
from shared.batches.batch import BatchPriority
from shared.hints.queues import Queue
from shared.ids import JobId, ObjectKey, TenantId, WorkerId, new_job_id
from shared.jobs.job import ClientName, Job
from shared.jobs.leases import Handover, Progress, RenderReport
from shared.jobs.states import Stage
from shared.store.core.connect import Client, connect
from shared.store.endpoints.endpoints import EndpointChanges, EndpointStore
from shared.store.idempotency.requests import IdempotencyStore, Reservation
from shared.store.renders.leases import Announcement
from shared.store.webhooks.deliveries import AttemptResult
from shared.webhooks.secrets import new_secret
from tests.shared.store import clocks
from tests.shared.store.builders import A_LOT, AN_ATTEMPT, REVISION, a_picture, a_prior, a_spec
from tests.shared.store.states.dumps import dump
from tests.shared.store.world import World
from tests.workers.batches.order_world import OrderWorld, precedence

TENANT = TenantId("shop")
AR = Announcement(WorkerId("ar-1"), Queue.AR, 8, REVISION)
DIT = Announcement(WorkerId("dit-1"), Queue.DIT, 2, REVISION)
FAILED = AttemptResult(
    "https://b.example/hook", datetime(2027, 1, 15, tzinfo=UTC), 0.25, 500, "receiver answered 500", ""
)


class Filling:
    """`names` says which job is in which state."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.orders = OrderWorld(client)  # it empties the store
        self.world = World.of_valkey(client)
        self.leases = self.world.leases
        self.names: dict[str, str] = {}

    def submit(self, name: str, n: int = 1, **changes: object) -> Job:
        spec = a_spec(
            n,
            tenant=TENANT,
            webhook_url=f"https://{name}.example/hook",
            webhook_events=("job.succeeded", "job.failed"),
            **changes,
        )
        job = self.world.jobs.submit(new_job_id(), spec, name=ClientName(name, "f" * 64))
        self.names[name] = job.job_id
        return job

    def prior(self, name: str, **changes: object) -> JobId:
        """A job that waits for the DiT."""
        job = self.submit(name, **changes)
        claim = self.leases.claim(Stage.AR, REVISION, AR.worker_id)
        assert claim
        assert claim.job_id == job.job_id
        self.beat(AR, claim.lease, 3)
        self.leases.finish_prior(claim.lease, a_prior())
        return job.job_id

    def beat(self, worker: Announcement, lease: object, done: int) -> None:
        self.leases.beat(worker, [RenderReport(lease, Progress(done, 10), in_step=True)])  # type: ignore[arg-type]

    def picture(self, name: str, **changes: object) -> JobId:
        """A job that ends with a picture."""
        job_id = self.prior(name, **changes)
        claim = self.leases.claim(Stage.DIT, REVISION, DIT.worker_id)
        assert claim
        assert claim.job_id == job_id
        for done in range(1, 4):
            self.beat(DIT, claim.lease, done)
        self.leases.publish_event(
            claim.lease, "render.preview", {"index": 0, "number": 1, "total": 1, "key": "jobs/x/p-1.jpeg"}
        )
        self.leases.finish_picture(claim.lease, a_picture())
        return job_id

    def fail(self, name: str) -> None:
        job = self.submit(name)
        claim = self.leases.claim(Stage.AR, REVISION, AR.worker_id)
        assert claim
        assert claim.job_id == job.job_id
        self.leases.fail(claim.lease, {"code": "test", "message": "no", "stage": "ar"})

    def deliver(self, *, is_late: bool = False) -> None:
        while claim := self.world.manifests.claim():
            self.world.manifests.written(claim)
        for each in self.world.deliveries.claim(A_LOT):
            if is_late:
                self.world.deliveries.retry_later(each, FAILED, 60)
            else:
                self.world.deliveries.delivered(each, AN_ATTEMPT)

    def fill(self) -> None:
        endpoint = EndpointStore(self.client).create(
            TENANT, "https://shop.example/all", new_secret(), EndpointChanges(), most=9
        )
        self.names["endpoint"] = endpoint.endpoint_id
        self.leases.beat(AR, [])
        self.leases.beat(DIT, [])
        self.picture("told")
        self.deliver()
        self.picture("told-late")
        self.deliver(is_late=True)
        self.picture("untold")
        self.fail("failed")
        batch = self.orders.batch(precedence(BatchPriority.BATCH, None), num_lines=4)
        self.names["batch"] = batch.batch_id
        self.orders.release(batch, 2)
        self.line()
        self.prior("waits-for-dit")
        running = self.prior("runs-in-dit")
        claim = self.leases.claim(Stage.DIT, REVISION, DIT.worker_id)
        assert claim  # of the job before
        self.names["waits-for-dit"], self.names["runs-in-dit"] = running, claim.job_id
        self.beat(DIT, claim.lease, 4)
        handed = self.prior("handed-over")
        self.hand_over(handed)
        self.submit("runs-in-ar", n=2)
        taken = self.leases.claim(Stage.AR, REVISION, AR.worker_id)
        assert taken
        assert taken.job_id == self.names["runs-in-ar"]
        self.beat(AR, taken.lease, 5)
        self.submit("waits-for-ar")
        self.submit("waits-for-its-prompt", enhance_prompt=True)
        self.reserve()

    def line(self) -> None:
        """The first line of the batch ends; its result is not stored."""
        for stage in (Stage.AR, Stage.DIT):
            claim = self.leases.claim(stage, REVISION, AR.worker_id)
            assert claim
            assert claim.job_id.startswith("job_")
            if stage is Stage.AR:
                self.leases.finish_prior(claim.lease, a_prior())
            else:
                self.leases.finish_picture(claim.lease, a_picture())

    def hand_over(self, job_id: str) -> None:
        for _ in range(2):
            claim = self.leases.claim(Stage.DIT, REVISION, DIT.worker_id)
            assert claim
            if claim.job_id == job_id:
                key = ObjectKey(f"jobs/{job_id}/0/x/unfinished")
                self.leases.keep_handover(key, 3600)
                self.leases.hand_back(claim.lease, Handover(key, "0" * 64, 2))
                return
            self.names["runs-in-dit-too"] = claim.job_id

    def reserve(self) -> None:
        """An Idempotency-Key whose job was created."""
        requests = IdempotencyStore(self.client, kept_for_s=86_400)
        begun = requests.begin(TENANT, "/v1/jobs", "order-17", "f" * 64, self.names["waits-for-ar"])
        assert isinstance(begun, Reservation)
        requests.job_created(begun)


def main(file: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        clocks.install(patch)
        server = Valkey(Path(folder))
        try:
            filling = Filling(connect(server.start()))
            filling.fill()
            filling.client.hset("test:names", mapping=filling.names)
            dump(filling.client, file)
        finally:
            server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
