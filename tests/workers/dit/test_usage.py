"""The usage of tenants equals the sum over the manifests of their pictures, whatever happens to jobs and workers."""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.errors import LeaseLost
from shared.ids import ObjectKey, TenantId, WorkerId, new_job_id
from shared.jobs.job import Job, PriorSource
from shared.jobs.leases import Claim
from shared.jobs.spec import JobSpec, PriorRef, Quality, RenderSettings
from shared.jobs.states import RenderState, Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from shared.store.usage.usage import UsageStore
from shared.tracing.origin import Origin
from tests.shared.store.builders import REVISION, RULES, a_prior
from tests.workers.dit.fakes import FakeObjects
from tests.workers.dit.test_publish import a_publisher
from workers.dit.pictures.decoded import Decoded

FATES = ("succeeds", "repeats", "loses its lease", "fails", "fails and is retried", "is deleted", "is drawn again")
NUMBERS = ("pictures", "pixels", "denoise_steps", "ar_tokens", "ar_device_s", "dit_device_s", "stored_bytes")
Row = tuple[str, str | None, str]


@dataclass(frozen=True)
class Order:
    tenant: str
    key: str | None
    settings: RenderSettings
    n: int
    fate: str
    ar_s: float
    dit_s: float


orders = st.builds(
    Order,
    tenant=st.sampled_from(["acme", "globex"]),
    key=st.sampled_from(["abcdefgh", "bcdefghi", None]),
    settings=st.builds(
        RenderSettings,
        prompt=st.sampled_from(["a", '"quality":"fast"']),
        width_px=st.sampled_from([256, 512]),
        height_px=st.sampled_from([256, 384]),
        num_inference_steps=st.integers(1, 100),
        quality=st.sampled_from(Quality),
    ),
    n=st.integers(1, 3),
    fate=st.sampled_from(FATES),
    ar_s=st.floats(0, 1000),
    dit_s=st.floats(0, 1000),
)


@dataclass
class Service:
    """Both stages, which store pictures as workers do. `kept` are the manifests of all finished pictures."""

    client: Client
    objects: FakeObjects = field(default_factory=FakeObjects)
    kept: list[ObjectKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs, self.leases = JobStore(self.client), LeaseStore(self.client, RULES)
        self.publisher = a_publisher(self.objects)

    def carry_out(self, order: Order) -> None:
        job = self.submit(order)
        while claim := self.claim(Stage.AR):
            self.leases.finish_prior(claim.lease, a_prior(), device_s=order.ar_s)
        self.decode(order)
        if order.fate == "fails and is retried":
            self.jobs.retry(self.jobs.job(job.job_id, job.spec.tenant), None, job.origin)
            self.decode(order, is_retried=True)
        self.note(job)
        if order.fate == "is deleted":
            self.jobs.delete(job.job_id, job.spec.tenant)
        if order.fate == "is drawn again":
            again = self.submit(order, PriorRef(job_id=job.job_id, index=0))
            self.decode(order)
            self.note(again)

    def submit(self, order: Order, prior: PriorRef | None = None) -> Job:
        spec = JobSpec(settings=order.settings, n=order.n, seed=1, tenant=TenantId(order.tenant), prior=prior)
        source = PriorSource(a_prior(), REVISION) if prior else None
        return self.jobs.submit(new_job_id(), spec, source=source, origin=Origin("r", key_id=order.key))

    def claim(self, stage: Stage, worker: str = "w") -> Claim | None:
        return self.leases.claim(stage, REVISION, WorkerId(worker))

    def decode(self, order: Order, *, is_retried: bool = False) -> None:
        while claim := self.claim(Stage.DIT):
            decoded = Decoded(Image.new("RGB", (8, 8), "grey"), 1.0, 1.0)
            write = self.publisher.write_of(self.leases, claim, decoded, order.dit_s)  # type: ignore[arg-type]
            if order.fate == "loses its lease":
                self.leases.hand_back(claim.lease)
                later = self.claim(Stage.DIT, "other")
                assert later
                with pytest.raises(LeaseLost):
                    write()
                self.publisher.write_of(self.leases, later, decoded, order.dit_s / 2)()  # type: ignore[arg-type]
                with pytest.raises(LeaseLost):
                    write()
            elif order.fate.startswith("fails") and not is_retried:
                self.leases.fail(claim.lease, {"code": "render_failed", "message": "no"})
                with suppress(LeaseLost):
                    write()
            else:
                for _ in range(3 if order.fate == "repeats" else 1):
                    write()

    def note(self, job: Job) -> None:
        """Notes the manifests of the job's pictures, before the job is deleted."""
        found = self.jobs.job(job.job_id, job.spec.tenant)
        pictures = [render.picture for render in found.renders if render.state is RenderState.SUCCEEDED]
        self.kept += [picture.manifest_key for picture in pictures if picture]

    def sums_of_manifests(self) -> dict[Row, Counter[str]]:
        sums: dict[Row, Counter[str]] = {}
        for key in self.kept:
            manifest = json.loads(self.objects.kept[key])
            used = manifest["usage"]
            row = (manifest["tenant"], used["key_id"], manifest["quality"])
            sums.setdefault(row, Counter()).update({name: round(used[name] * 1000) for name in NUMBERS})
            assert used["stored_bytes"] == manifest["picture"]["bytes"]
            assert used["denoise_steps"] == RenderSettings.model_validate(manifest["settings"]).num_denoise_steps
            assert used["pixels"] == manifest["settings"]["width_px"] * manifest["settings"]["height_px"]
        return sums

    def usage(self) -> dict[Row, Counter[str]]:
        sums: dict[Row, Counter[str]] = {}
        for tenant in ("acme", "globex"):
            for row in UsageStore(self.client).rows(TenantId(tenant), date(2020, 1, 1), date(2040, 1, 1)):
                amounts = row.amounts.in_seconds()
                found = sums.setdefault((tenant, row.key_id or None, row.quality), Counter())
                found.update({name: round(amounts[name] * 1000) for name in NUMBERS})
        return sums


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(orders, min_size=1, max_size=6))
def test_usage_equals_the_sum_over_the_manifests_of_all_pictures(client: Client, wanted: list[Order]) -> None:
    client.flushdb()
    service = Service(client)
    for order in wanted:
        service.carry_out(order)
    assert service.usage() == service.sums_of_manifests()


def test_a_manifest_tells_what_the_picture_used(client: Client) -> None:
    asked = RenderSettings(prompt="a", width_px=256, height_px=256, num_inference_steps=9, quality=Quality.FAST)
    service = Service(client)
    service.carry_out(Order("acme", "abcdefgh", asked, 1, "is drawn again", 1.5, 2.25))
    first, again = (json.loads(service.objects.kept[key])["usage"] for key in service.kept)
    assert first == {
        "key_id": "abcdefgh",
        "pictures": 1,
        "pixels": 65_536,
        "denoise_steps": 9,
        "ar_tokens": asked.num_decode_steps,
        "ar_device_s": 1.5,
        "dit_device_s": 2.25,
        "stored_bytes": first["stored_bytes"],
    }
    assert (again["ar_tokens"], again["ar_device_s"], again["dit_device_s"]) == (0, 0, 2.25)
