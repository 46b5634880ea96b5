"""Takes jobs of one picture and a webhook through the store, with the calls of the roles in their order."""

from datetime import UTC, datetime

from benchmarks.store.crowd import PICTURE, PRIOR, REVISION, Stores
from benchmarks.store.meter import Meter, Unmeasured
from shared.hints.queues import Queue
from shared.ids import JobId, WorkerId
from shared.jobs.leases import Progress, RenderReport
from shared.jobs.states import Stage
from shared.jobs.usage import usage_of
from shared.store.core.connect import Client
from shared.store.renders.leases import Announcement
from shared.store.webhooks.deliveries import AttemptResult, DeliveryRules, DeliveryStore, Room
from shared.store.webhooks.manifests import ManifestStore

AR_WORKER, DIT_WORKER = WorkerId("bench-ar"), WorkerId("bench-dit")
_DIT = Announcement(DIT_WORKER, Queue.DIT, 1, REVISION)
_DELIVERY_WORKER = WorkerId("bench-delivery")
_ROOM = Room(8, 8, 8, 8)
_RULES = DeliveryRules(lease_ttl_s=3600, concurrency=8, log_s=86_400)
_RESPONSE = AttemptResult("https://t.example/hook", datetime(2026, 1, 1, tzinfo=UTC), 0.05, 200, "", "ok")


class Path:
    """The way of a job through the store. Each job takes the place of a waiting one, so the queue keeps its length."""

    def __init__(self, client: Client, stores: Stores) -> None:
        self._stores = stores
        self._manifests = ManifestStore(client, 3600, _DELIVERY_WORKER)
        self._deliveries = DeliveryStore(client, _RULES, _DELIVERY_WORKER)

    def run(self, meter: Meter | Unmeasured, tenant: str, num_beats: int = 0) -> JobId:
        """Submits a job of `tenant`. Then takes the job that is next in the queue to its end, and returns its id.

        `num_beats` heartbeats report the progress of its DiT stage.
        """
        stores, leases = self._stores, self._stores.leases
        meter.run("submit", lambda: stores.submit(tenant))
        prior = meter.run("claim (AR)", lambda: leases.claim(Stage.AR, REVISION, AR_WORKER))
        assert prior
        meter.run("advance to prior_ready", lambda: leases.finish_prior(prior.lease, PRIOR, None, 1.5))
        decode = meter.run("claim (DiT)", lambda: leases.claim(Stage.DIT, REVISION, DIT_WORKER))
        assert decode
        for number in range(num_beats):
            leases.beat(_DIT, [RenderReport(decode.lease, Progress(number + 1, num_beats), in_step=True)])
        meter.run(
            "advance to succeeded", lambda: leases.finish_picture(decode.lease, PICTURE, usage_of(decode, PICTURE, 7.5))
        )
        self._write_manifest(meter)
        self._deliver(meter)
        return decode.job_id

    def _write_manifest(self, meter: Meter | Unmeasured) -> None:
        claim = meter.run("claim of the manifest", self._manifests.claim)
        assert claim
        assert claim.job
        meter.run("manifest written", lambda: self._manifests.written(claim))

    def _deliver(self, meter: Meter | Unmeasured) -> None:
        (delivery,) = meter.run("claim of the webhook", lambda: self._deliveries.claim(_ROOM))
        assert delivery.job
        meter.run("webhook delivered", lambda: self._deliveries.delivered(delivery, _RESPONSE))


def use_cpu_s(client: Client) -> float:
    """Returns the CPU time of the store's main thread so far, user and system."""
    info = client.info("cpu")
    return float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])
