"""Reads the settings, loads the model and wires the parts of an AR worker (`python -m workers.ar`)."""

import time
from collections.abc import Mapping
from functools import partial

import structlog

from shared.errors import Misconfigured
from shared.hints.queues import Queue
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior
from shared.metrics.catalogue import KV_USED_RATIO, MODEL_LOAD_SECONDS
from shared.objects.store import open_objects
from shared.schedule.starting_worker import StartPhase
from shared.settings.settings import Settings
from shared.store.core.opening import open_store
from shared.store.renders.leases import LeaseStore
from workers.ar.engine import ArEngine
from workers.ar.model.loading import AR_PARTS, load_ar_model
from workers.ar.plan import plan_memory
from workers.ar.warm_up import warm_up
from workers.device.facts import engine_facts
from workers.device.fp8_linear import fp8_problem
from workers.device.loss import is_device_lost
from workers.device.memory import show_device_memory
from workers.device.placement import Placement, place
from workers.device.share import device_share
from workers.engine.places import rows
from workers.model.source import find_model
from workers.stage.condition_images import ConditionImages
from workers.stage.recorder import Write
from workers.stage.reuse import Reuse
from workers.stage.start_report import StartReport
from workers.stage.worker import StageParts, run_stage

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Loads the AR model and runs the worker until SIGTERM.

    Raises `GridpressError` if the model, store or device is missing.
    """
    began_s = time.monotonic()
    start = StartReport(Stage.AR, settings)
    source = find_model(settings, AR_PARTS, start.phase)
    client = open_store(settings)
    objects = open_objects(settings)
    images = ConditionImages(objects)
    placement = place(settings)
    with device_share(settings, placement) as share:
        refuse_without_fp8(settings, placement)
        with start.phase(StartPhase.LOADING, source.num_bytes) as on_bytes:
            model = load_ar_model(source.folder, placement.device, placement.dtype, on_bytes, in_fp8=settings.ar_fp8)
        plan = plan_memory(model, settings.ar_slots, settings.ar_kv_bytes)
        log.info("ar.plan", **plan.facts())
        engine = ArEngine(
            model,
            images.load,
            num_kv_tokens=plan.num_kv_tokens,
            max_sequences=plan.max_sequences,
            may_be_eager=settings.ar_eager,
        )
        if placement.device.type == "cuda":
            with start.phase(StartPhase.WARMING_UP):
                warm_up(engine)
        stepper = share(engine, [model.network])
    MODEL_LOAD_SECONDS.labels(Stage.AR.value).set(time.monotonic() - began_s)
    KV_USED_RATIO.set_function(lambda: engine.kv_used_ratio)
    show_device_memory(Stage.AR, placement.device)

    facts = {**engine_facts(placement, ["transformers", "tokenizers"]), **model.facts(), **engine.facts}
    log.info("ar.engine", **facts)

    def save(leases: LeaseStore, claim: Claim, prior: Prior, device_s: float) -> Write:
        return partial(leases.finish_prior, claim.lease, prior, facts, device_s)

    parts = StageParts(
        stage=Stage.AR,
        places=rows(plan.max_sequences),
        revision=source.revision,
        stepper=stepper,
        prepare=engine.prepare,
        save=save,
        next_queue=Queue.DIT,
        is_device_lost=partial(is_device_lost, device=placement.device),
        device=_title(placement, facts),
        reuse=Reuse.of(settings, client, objects),
        sizes=plan.sizes,
    )
    run_stage(parts, settings, client)


def refuse_without_fp8(settings: Settings, placement: Placement) -> None:
    """Raises `Misconfigured` if the settings ask for FP8 and this device can't compute in it."""
    if settings.ar_fp8 and (problem := fp8_problem(placement.device, placement.dtype)):
        raise Misconfigured(f"GRIDPRESS_AR_FP8 can't work on this device: {problem}")


def _title(placement: Placement, facts: Mapping[str, str]) -> str:
    """Returns the device's name for people. It says so if the worker decodes without a CUDA graph on a GPU."""
    is_slow = placement.device.type == "cuda" and facts["step"] == "eager"
    return f"{placement.title}, without CUDA graph" if is_slow else placement.title
