"""Composition root of a DiT worker: `python -m workers.dit`."""

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from torch import nn

from shared.hints.queues import Queue
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.metrics.catalogue import MODEL_LOAD_SECONDS
from shared.objects.store import open_objects
from shared.settings.settings import Settings
from shared.store.core.connect import connect
from shared.store.renders.leases import LeaseRules, LeaseStore
from workers.consumer.serving import abandon_process
from workers.device.loss import is_device_lost
from workers.device.memory import room_bytes, show_device_memory
from workers.device.placement import Placement, guidance_devices, place
from workers.device.share import device_share
from workers.dit.engine import DitEngine
from workers.dit.guidance.two_devices import Helper, TwoDeviceDenoiser
from workers.dit.handover.store import Handovers
from workers.dit.model.calibration import calibrate
from workers.dit.model.denoiser import Denoiser
from workers.dit.model.loading import DIT_PARTS, DitModel, load_dit_model
from workers.dit.model.options import DitOptions, apply_options, options_of
from workers.dit.model.runner import DitRunner
from workers.dit.model.warm_up import warm_up
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.previews import PreviewPublisher
from workers.dit.pictures.publish import Publisher
from workers.dit.plan import Plan
from workers.engine.places import turns
from workers.model.source import ModelSource, find_model
from workers.stage.condition_images import ConditionImages
from workers.stage.recorder import Write
from workers.stage.worker import Keeping, StageParts, run_stage


def run(settings: Settings) -> None:
    """Loads the DiT model and serves hints until SIGTERM. Raises `GridpressError` when something needed is missing."""
    began_s = time.monotonic()
    source = find_model(settings, DIT_PARTS)
    client = connect(settings.redis_url, settings.durability)
    objects = open_objects(settings)
    images = ConditionImages(objects)
    options, devices = options_of(settings), guidance_devices(settings)
    placement = place(settings, devices[0] if devices else None)
    facts = _engine_facts(placement, options)
    publisher = Publisher(objects, settings.served_model_name, facts)
    rules = LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min)
    previews = PreviewPublisher(objects, LeaseStore(client, rules))
    with device_share(settings, placement) as share:
        model = load_dit_model(source.folder, placement.device, placement.dtype, low_memory=settings.low_memory)
        apply_options(model.transformer, options)
        denoiser = _denoiser(settings, source, model, options)
        plan = Plan() if devices else calibrate(model, denoiser, settings.dit_calibrate_s)
        runner = DitRunner(model, denoiser, plan)
        if options.compiler:
            warm_up(runner, options.warm_up)
        handovers = Handovers(open_objects(settings, is_hasty=True), facts, settings.handover_ttl_s)
        room, floor = room_bytes(placement.device), settings.batch_floor
        engine = DitEngine(runner, images.load, previews.submit, handovers.load, floor, room_bytes=room)
        stepper = share(engine, _always_there(model))
    MODEL_LOAD_SECONDS.labels(Stage.DIT.value).set(time.monotonic() - began_s)
    show_device_memory(Stage.DIT, placement.device)

    def prepare(claim: Claim) -> None:
        images.prefetch(claim.settings.images)

    def save(leases: LeaseStore, claim: Claim, decoded: Decoded) -> Write:
        return publisher.write_of(leases, claim, decoded)

    parts = StageParts(
        stage=Stage.DIT,
        places=turns(settings.dit_slots, runner.most_together),
        revision=source.revision,
        stepper=stepper,
        prepare=prepare,
        save=save,
        next_queue=Queue.DELIVERY,
        is_device_lost=is_device_lost,
        keeping=Keeping(engine.unfinished, handovers.store) if settings.handover_ttl_s else None,
    )
    run_stage(parts, settings, client)
    engine.close()
    previews.close()


def _denoiser(settings: Settings, source: ModelSource, model: DitModel, options: DitOptions) -> Denoiser:
    """On two devices if the settings say so. A worker whose second device dies ends, and its renders go to others."""
    devices = guidance_devices(settings)
    if not devices:
        return Denoiser(model)
    helper = Helper(source.folder, model, devices[1], options, lambda _: abandon_process(settings.ready_file))
    return TwoDeviceDenoiser(model, helper)


def _always_there(model: DitModel) -> Sequence[nn.Module]:
    """The parts that stay on the device while it is ours."""
    return [model.transformer] if model.low_memory else [model.transformer, model.vae, model.text_encoder]


def _engine_facts(placement: Placement, options: DitOptions) -> Mapping[str, str]:
    """What a picture depends on besides its request and the weights."""
    packages = {name: version(name) for name in ("gridpress", "torch", "transformers", "diffusers")}
    return {
        "device": placement.device.type,
        "dtype": str(placement.dtype).removeprefix("torch."),
        **options.facts(),
        **packages,
    }
