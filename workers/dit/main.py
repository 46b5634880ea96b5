"""Reads the settings, loads the model and wires the parts of a DiT worker (`python -m workers.dit`)."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from shared.geometry import MIN_SIDE_PX
from shared.hints.queues import Queue
from shared.jobs.leases import Claim
from shared.jobs.spec import Quality
from shared.jobs.states import Stage
from shared.metrics.catalogue import MODEL_LOAD_SECONDS
from shared.objects.store import open_objects
from shared.schedule.starting_worker import StartPhase
from shared.settings.settings import Settings
from shared.store.core.opening import open_store
from shared.store.renders.leases import LeaseRules, LeaseStore
from workers.consumer.serving import abandon_process
from workers.device.facts import engine_facts
from workers.device.loss import is_device_lost
from workers.device.memory import room_bytes, show_device_memory
from workers.device.occupancy import Occupancy
from workers.device.placement import Placement, guidance_devices, place, sequence_devices
from workers.device.share import device_share
from workers.dit.engine import DitEngine
from workers.dit.handover.store import Handovers
from workers.dit.memory_needs import sizes_that_fit
from workers.dit.model.choosing import log_options, options_of, sequence_size, vae_tiles_of
from workers.dit.model.denoiser import Denoiser
from workers.dit.model.loading import DIT_PARTS, DitModel, load_dit_model
from workers.dit.model.options import DitOptions, apply_options
from workers.dit.model.runner import DitRunner
from workers.dit.model.two_devices import TwoDeviceDenoiser
from workers.dit.model.vae_tiles import tile_limit_px
from workers.dit.model.warm_up import warm_up
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.labelling import Labelling
from workers.dit.pictures.previews import PreviewPublisher
from workers.dit.pictures.publish import Publisher
from workers.dit.sequence.split_blocks import Helpers, SplitBlocks
from workers.engine.places import turns
from workers.model.source import ModelSource, find_model
from workers.model.weights import OnBytes, ignore_bytes
from workers.stage.condition_images import ConditionImages
from workers.stage.recorder import Write
from workers.stage.reuse import Reuse
from workers.stage.start_report import StartReport
from workers.stage.worker import HandoverPorts, StageParts, run_stage

_SMALLEST = (MIN_SIDE_PX, MIN_SIDE_PX)

_SMALL_BYTES = 2 * 10**9  # a model with fewer bytes of weights may stand on a GPU twice


def run(settings: Settings) -> None:
    """Loads the DiT model and runs the worker until SIGTERM.

    Raises `GridpressError` if the model, store or device is missing, or if the font of visible marks or the certificate
    that signs pictures can't be used.
    """
    began_s = time.monotonic()
    labelling = Labelling.of(settings)
    start = StartReport(Stage.DIT, settings)
    source = find_model(settings, DIT_PARTS, start.phase)
    client = open_store(settings)
    objects = open_objects(settings)
    images = ConditionImages(objects)
    devices = sequence_devices(settings) or guidance_devices(settings)
    placement = place(settings, devices[0] if devices else None)
    options = options_of(settings, placement)
    log_options(options, placement)
    rules = LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min)
    previews = PreviewPublisher(
        objects, LeaseStore(client, rules), labelling, is_withheld=settings.picture_hook_url is not None
    )
    occupancies = [_occupy(settings, source, replace(placement, device=each)) for each in devices or [placement.device]]
    closing = ExitStack()
    with device_share(settings, placement) as share:
        with start.phase(StartPhase.LOADING, source.num_bytes) as on_bytes:
            model = _load(source.folder, settings, placement, options, on_bytes)
        facts = _engine_facts(settings, placement, options, model)
        publisher = Publisher(
            objects,
            settings.served_model_name,
            labelling,
            facts,
            checks_pictures=settings.picture_hook_url is not None,
            reuse=Reuse.of(settings, client, objects),
        )
        denoiser = _denoiser(settings, source, placement, model, options, start=start, closing=closing)
        runner = DitRunner(model, denoiser, guidance_batch_px=options.guidance_batch_px)
        if options.compiler or placement.device.type == "cuda":
            qualities = [Quality.EXACT, Quality.BALANCED] if model.fp8_blocks else [Quality.EXACT]
            with start.phase(StartPhase.WARMING_UP):
                warm_up(runner, _warm_up_sizes(settings, options), qualities)
        handovers = Handovers(open_objects(settings, fails_fast=True), facts, settings.handover_ttl_s)
        room, floor = room_bytes(placement.device, settings.dit_memory_bytes), settings.batch_floor
        engine = DitEngine(runner, images.load, previews.submit, handovers.load, floor, room_bytes=room)
        stepper = share(engine, _resident_modules(model))
    MODEL_LOAD_SECONDS.labels(Stage.DIT.value).set(time.monotonic() - began_s)
    show_device_memory(Stage.DIT, placement.device)

    def prepare(claim: Claim) -> None:
        images.prefetch(claim.settings.images)

    def save(leases: LeaseStore, claim: Claim, decoded: Decoded, device_s: float) -> Write:
        return publisher.write_of(leases, claim, decoded, device_s)

    parts = StageParts(
        stage=Stage.DIT,
        places=turns(settings.dit_slots),
        revision=source.revision,
        stepper=stepper,
        prepare=prepare,
        save=save,
        next_queue=Queue.DELIVERY,
        is_device_lost=partial(is_device_lost, device=placement.device),
        device=f"{placement.title}, FP8 also for exact" if options.fp8 == "all" else placement.title,
        sizes=sizes_that_fit(model, room),
        handover_ports=HandoverPorts(engine.unfinished, handovers.store) if settings.handover_ttl_s else None,
    )
    run_stage(parts, settings, client)
    engine.close()
    closing.close()
    previews.close()
    del occupancies  # until here


def _occupy(settings: Settings, source: ModelSource, placement: Placement) -> Occupancy | None:
    """Makes sure that this worker does not count on memory of a GPU on which another DiT worker counts.

    Workers that take turns measure the memory in their own turn. Small models fit beside each other anyway.
    """
    if placement.device.type != "cuda" or settings.share_device:
        return None
    if source.num_bytes < _SMALL_BYTES:
        return None
    has_part = settings.dit_memory_bytes is not None
    return Occupancy(settings.data_dir / "run", placement.device_name, has_part=has_part)


def _load(
    folder: str, settings: Settings, placement: Placement, options: DitOptions, on_bytes: OnBytes = ignore_bytes
) -> DitModel:
    """Loads the model onto its device and applies the options to it."""
    model = load_dit_model(
        folder,
        placement.device,
        placement.dtype,
        low_memory=settings.low_memory,
        has_transformer_on_host=options.fp8 == "all",
        on_bytes=on_bytes,
    )
    fp8_blocks = apply_options(model.transformer, options, placement.device)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    model.vae.to(memory_format=layout)
    tile_above_px = tile_limit_px(vae_tiles_of(settings, placement), model.vae, placement.device)
    return replace(model, fp8_blocks=fp8_blocks, tile_above_px=tile_above_px)


def _denoiser(
    settings: Settings,
    source: ModelSource,
    placement: Placement,
    model: DitModel,
    options: DitOptions,
    *,
    start: StartReport,
    closing: ExitStack,
) -> Denoiser:
    """Returns the object that predicts noise. It uses several devices if the settings name them. `start` reports while
    these load the model, and `closing` ends their processes.

    If the process of a further device dies, the worker exits, and other workers claim its renders. Raises
    `HelperNotReady` if such a process does not become ready in time.
    """
    if devices := guidance_devices(settings):
        with start.phase(StartPhase.LOADING, source.num_bytes) as on_bytes:
            second = _load(source.folder, settings, replace(placement, device=devices[1]), options, on_bytes)
        return TwoDeviceDenoiser(model, replace(second, vae=model.vae, text_encoder=model.text_encoder))
    if together := sequence_devices(settings):
        width_px, height_px = sequence_size(settings)
        with start.phase(StartPhase.LOADING):  # in other processes, whose bytes are not counted
            helpers = Helpers(
                source.folder, model, together[1:], options, lambda _: abandon_process(settings.ready_file)
            )
        closing.callback(helpers.close)
        return Denoiser(model, SplitBlocks(model, helpers, width_px * height_px))
    return Denoiser(model)


def _warm_up_sizes(settings: Settings, options: DitOptions) -> Sequence[tuple[int, int]]:
    """Returns the sizes to render before the worker is ready. A forward pass of two rows, and one on several devices,
    have graphs of their own. So one size is small enough and one is large enough for them.
    """
    small = [_SMALLEST] if options.guidance_batch_px else []
    large = [sequence_size(settings)] if settings.dit_sequence_devices else []
    return [*options.warm_up, *small, *large]


def _resident_modules(model: DitModel) -> Sequence[nn.Module]:
    """Returns the modules whose weights stay on the device during this worker's turn.

    With the setting `low_memory`, the other modules are moved to the device only while they are used.
    """
    return [model.transformer] if model.low_memory else [model.transformer, model.vae, model.text_encoder]


def _engine_facts(settings: Settings, placement: Placement, options: DitOptions, model: DitModel) -> Mapping[str, str]:
    """Returns facts about this worker on which a picture depends, in addition to the request and the weights: device,
    type, options, attention kernel, the size above which the VAE decodes in tiles, the number of devices that divide
    the tokens of large pictures, and package versions.

    These facts are stored in manifests, and in the saved states with which another worker continues a render.
    """
    # Without these options, torch's own attention computes blocks that are not compiled.
    tiles = str(model.tile_above_px or "never")
    usual = {"attention": "native", "compiler": "none", "vae_layout": "contiguous", "vae_tiles_above_px": tiles}
    if devices := sequence_devices(settings):
        usual["sequence_parallel"] = f"{len(devices)} devices from {'x'.join(map(str, sequence_size(settings)))}"
    return {**engine_facts(placement, ["transformers", "diffusers"]), **usual, **options.facts()}
