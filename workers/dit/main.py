"""Composition root of a DiT worker: `python -m workers.dit`."""

from collections.abc import Mapping
from importlib.metadata import version

from shared.jobs import Claim
from shared.objects import ObjectStore
from shared.queues import Queue
from shared.settings import Settings
from shared.states import Stage
from shared.store.connect import connect
from shared.store.leases import LeaseStore
from workers.condition_images import ConditionImages
from workers.dit.engine import Decoded, DitEngine
from workers.dit.model import DIT_PARTS, load_dit_model
from workers.dit.publish import Publisher
from workers.dit.runner import DitRunner
from workers.model_source import find_model
from workers.placement import Placement, place
from workers.stage.worker import StageParts, run_stage


def run(settings: Settings) -> None:
    """Loads the DiT model and serves hints until SIGTERM. Raises `GridpressError` when something needed is missing."""
    source = find_model(settings, DIT_PARTS)
    client = connect(settings.redis_url)
    objects = ObjectStore(settings)
    images = ConditionImages(objects)
    placement = place(settings)
    model = load_dit_model(source.folder, placement.device, placement.dtype, low_memory=settings.low_memory)
    publisher = Publisher(objects, settings.served_model_name, _engine_facts(placement))

    def prepare(claim: Claim) -> None:
        images.prefetch(claim.settings.images)

    def save(leases: LeaseStore, claim: Claim, decoded: Decoded) -> None:
        publisher.publish(leases, claim, decoded)

    parts = StageParts(
        stage=Stage.DIT,
        slots=settings.dit_slots,
        revision=source.revision,
        stepper=DitEngine(DitRunner(model), images.load),
        prepare=prepare,
        save=save,
        next_queue=Queue.DELIVERY,
    )
    run_stage(parts, settings, client)


def _engine_facts(placement: Placement) -> Mapping[str, str]:
    """What a picture depends on besides its request and the weights."""
    packages = {name: version(name) for name in ("gridpress", "torch", "transformers", "diffusers")}
    return {"device": placement.device.type, "dtype": str(placement.dtype).removeprefix("torch."), **packages}
