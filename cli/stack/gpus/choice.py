"""Turns the option `--gpus` of `gridpress up` into the environment of each worker."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.stack.gpus.assignment import Gpu, Seat, assign, describe
from cli.stack.gpus.listing import Listing, has_driver, visible_name
from cli.stack.gpus.needs import Needs
from shared import demo_model
from shared.errors import Misconfigured
from shared.settings.settings import Settings

_ALL, _NONE = "all", "none"
# Settings that choose the GPU of a worker themselves.
_OWN_CHOICE = ("device", "share_device", "dit_guidance_devices", "dit_sequence_devices")
_SMALL_BYTES = 2 * 10**9  # a tenth of the full-size model's weights; the full-size DiT alone has 15 GB


@dataclass(frozen=True, slots=True)
class Workers:
    """The number of workers of both stages, the environment variables of single workers, and lines that say where they
    stand.
    """

    ar: int
    dit: int
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lines: Sequence[str] = ()


def workers_on_gpus(
    choice: str | None, settings: Settings, num_ar: int | None, num_dit: int | None, list_gpus: Listing
) -> Workers:
    """Returns the workers to start, each with its GPU if `choice` or the machine says so.

    `choice` is `all`, `none`, or the indices of GPUs such as `0,2`. Without a choice, all GPUs of the machine are used,
    unless the settings choose devices themselves or the model is the small one that comes with Gridpress. Raises
    `Misconfigured`.
    """
    own = [f"GRIDPRESS_{name.upper()}" for name in _OWN_CHOICE if getattr(settings, name)]
    if choice is None:
        gpus = [] if own or _is_small(settings.model) or not has_driver() else list_gpus()
    elif own and choice != _NONE:
        raise Misconfigured(f"--gpus and {own[0]} exclude each other: both choose the GPUs of workers")
    else:
        gpus = [] if choice == _NONE else _chosen(choice, list_gpus())
    if not gpus:
        return Workers(1 if num_ar is None else num_ar, 1 if num_dit is None else num_dit)
    may_take_turns = settings.dit_fp8 not in ("tiers", "all")
    seats = assign(gpus, Needs.of(settings), num_ar=num_ar, num_dit=num_dit, may_take_turns=may_take_turns)
    return Workers(
        ar=sum(seat.worker.startswith("ar-") for seat in seats),
        dit=sum(seat.worker.startswith("dit-") for seat in seats),
        environment={seat.worker: _environment(seat, settings) for seat in seats},
        lines=tuple(describe(gpus, seats)),
    )


def _is_small(model: str | None) -> bool:
    """Returns whether all workers of a model fit on any GPU. The model is the one that comes with Gridpress, a
    simulated one, or a folder with few bytes of weights.
    """
    if model is None or model == demo_model.NAME or model.startswith("simulate"):
        return True
    folder = Path(model).expanduser()
    return folder.is_dir() and sum(file.stat().st_size for file in folder.rglob("*.safetensors")) < _SMALL_BYTES


def _chosen(choice: str, gpus: Sequence[Gpu]) -> Sequence[Gpu]:
    if not gpus:
        raise Misconfigured(f"--gpus {choice}, but torch finds no GPU: `gridpress doctor` shows what it finds")
    if choice == _ALL:
        return gpus
    by_index = {str(gpu.index): gpu for gpu in gpus}
    wanted = [part.strip() for part in choice.split(",")]
    if unknown := [part for part in wanted if part not in by_index]:
        raise Misconfigured(f"--gpus {choice}: there is no GPU {unknown[0]!r} here, only {', '.join(by_index)}")
    return [by_index[part] for part in dict.fromkeys(wanted)]


def _environment(seat: Seat, settings: Settings) -> Mapping[str, str]:
    env = {"CUDA_VISIBLE_DEVICES": visible_name(seat.gpu, os.environ.get("CUDA_VISIBLE_DEVICES"))}
    if seat.takes_turns:
        env["GRIDPRESS_SHARE_DEVICE"] = "true"
    if seat.has_company and "dit_vae_tiles" not in settings.model_fields_set:
        env["GRIDPRESS_DIT_VAE_TILES"] = "always"  # `auto` counts on the whole GPU
    if seat.kv_bytes is not None and settings.ar_kv_bytes is None:
        env["GRIDPRESS_AR_KV_BYTES"] = str(seat.kv_bytes)
    if seat.dit_bytes is not None and settings.dit_memory_bytes is None:
        env["GRIDPRESS_DIT_MEMORY_BYTES"] = str(seat.dit_bytes)
    return env
