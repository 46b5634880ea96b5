"""Chooses the options of the DiT: a setting first, else the profile of the device. A choice of the profile that can't
work on this machine is left out, and the reason is logged.
"""

import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal

import structlog
import torch

from shared.errors import InvalidRequest, Misconfigured
from shared.geometry import check_size
from shared.settings.settings import Settings
from workers.device.placement import Placement
from workers.dit.device_profiles import DeviceProfile, profile_of
from workers.dit.model.options import DitOptions, attention_problem, refuse_without_fp8

log = structlog.get_logger()

_SETTING = "setting"
_OFF = "none"  # the value of GRIDPRESS_DIT_COMPILE with which nothing is compiled
# A card that holds the full-size blocks twice (20.4 GB), beside an AR worker and the largest pictures.
FP8_COPY_CARD_BYTES = 70_000_000_000
# The part of a card with which one worker serves every size and holds the copy: docs/devices.md has the sum.
FP8_COPY_PART_BYTES = 28_000_000_000


def profile_for(device: torch.device) -> DeviceProfile:
    """Returns the profile of this device."""
    return profile_of(torch.cuda.get_device_capability(device) if device.type == "cuda" else None)


def options_of(settings: Settings, placement: Placement) -> DitOptions:
    """Returns the options of the DiT on this device, with the reason for each.

    Raises `Misconfigured` if a setting is invalid or conflicts with another one.
    """
    if settings.dit_fp8 in ("tiers", "all") and settings.share_device:
        raise Misconfigured(
            "GRIDPRESS_DIT_FP8 and GRIDPRESS_SHARE_DEVICE exclude each other: FP8 weights cannot be parked"
        )
    profile = profile_for(placement.device)
    compiler, why_compiler = _choice(settings.dit_compile, profile.compiler, _compiler_problem(), profile)
    attention_fails = _attention_problem(profile, placement)
    attention, why_attention = _choice(settings.dit_attention, profile.attention, attention_fails, profile)
    fp8, why_fp8 = _fp8(settings, profile, placement)
    layout = settings.dit_channels_last
    batch_px, why_batch = _guidance_batch(settings, profile)
    return DitOptions(
        compiler=None if compiler == _OFF else compiler,
        attention=attention,
        fp8=fp8,
        channels_last=profile.channels_last if layout is None else layout,
        guidance_batch_px=batch_px,
        warm_up=_sizes(settings.dit_warm_up, "GRIDPRESS_DIT_WARM_UP"),
        reasons={
            "compiler": why_compiler,
            "attention": why_attention,
            "fp8": why_fp8,
            "channels_last": _SETTING if layout is not None else f"profile {profile.name}",
            "guidance_batch_px": why_batch,
        },
    )


def vae_tiles_of(settings: Settings, placement: Placement) -> str:
    """Returns when the VAE decodes in tiles (`always`, `never`, or `auto` by memory): the setting, else the profile."""
    return profile_for(placement.device).vae_tiles if settings.dit_vae_tiles == "auto" else settings.dit_vae_tiles


def sequence_size(settings: Settings) -> tuple[int, int]:
    """Returns the width and height of a picture with as many pixels as the smallest one that several devices divide."""
    sizes = _sizes(settings.dit_sequence_from, "GRIDPRESS_DIT_SEQUENCE_FROM")
    if len(sizes) != 1:
        raise Misconfigured(
            f"GRIDPRESS_DIT_SEQUENCE_FROM={settings.dit_sequence_from} is not one size, such as 1536x1536"
        )
    return sizes[0]


def log_options(options: DitOptions, placement: Placement) -> None:
    """Logs the options of this worker, each with its reason."""
    log.info("dit.options", profile=profile_for(placement.device).name, **described(options))
    if options.fp8 == "all":
        log.warning("dit.exact_in_fp8", why="GRIDPRESS_DIT_FP8=all", effect="every picture differs from bfloat16")


def described(options: DitOptions) -> Mapping[str, str]:
    """Returns each option with its value and its reason, for people."""
    values = {"compiler": options.compiler, "attention": options.attention, "fp8": options.fp8}
    shown = {**values, "channels_last": options.channels_last, "guidance_batch_px": options.guidance_batch_px}
    return {name: f"{shown[name] or 'off'} ({reason})" for name, reason in options.reasons.items()}


def _choice(
    given: str | None, wanted: str | None, problem: str | None, profile: DeviceProfile
) -> tuple[str | None, str]:
    """Returns the value of an option, and the reason for it.

    The setting `given` comes first, then the profile's choice `wanted`. If `problem` says why that choice can't work on
    this machine, the value is None.
    """
    if given is not None:
        return given, _SETTING
    if wanted is not None and problem is not None:
        return None, f"profile {profile.name} says {wanted}, but {problem}"
    return wanted, f"profile {profile.name}"


def _fp8(
    settings: Settings, profile: DeviceProfile, placement: Placement
) -> tuple[Literal["all", "tiers"] | None, str]:
    """Returns which renders use FP8, and the reason. Only a setting puts `exact` in FP8. A profile that says `tiers`
    gives way where there is no room for the copy; a setting that says so does not.
    """
    if settings.dit_fp8 == "off":
        return None, _SETTING
    if settings.dit_fp8 == "all":
        return "all", f"{_SETTING}, also for exact"
    if settings.dit_fp8 == "tiers":
        if problem := _fp8_problem(settings, placement):
            raise Misconfigured(f"GRIDPRESS_DIT_FP8=tiers can't work here: {problem}")
        return "tiers", _SETTING
    if not profile.fp8:
        return None, f"profile {profile.name}"
    chosen, reason = _choice(None, "tiers", _fp8_problem(settings, placement), profile)
    return "tiers" if chosen else None, reason


def _guidance_batch(settings: Settings, profile: DeviceProfile) -> tuple[int, str]:
    if settings.dit_guidance_batch_px and settings.dit_guidance_devices:
        raise Misconfigured(
            "GRIDPRESS_DIT_GUIDANCE_BATCH_PX and GRIDPRESS_DIT_GUIDANCE_DEVICES exclude each other: branches on two "
            "devices share no forward pass"
        )
    if settings.dit_guidance_batch_px is not None:
        return settings.dit_guidance_batch_px, _SETTING
    if profile.guidance_batch_px and settings.dit_guidance_devices:
        return 0, f"profile {profile.name} says {profile.guidance_batch_px}, but each branch has a device of its own"
    return profile.guidance_batch_px, f"profile {profile.name}"


def _compiler_problem() -> str | None:
    if find_spec("triton") is None:
        return "Triton is not installed"
    compilers = (os.environ.get("CC"), "gcc", "cc", "clang")
    return (
        None if any(name and shutil.which(name) for name in compilers) else "there is no C compiler, which Triton needs"
    )


def _attention_problem(profile: DeviceProfile, placement: Placement) -> str | None:
    if profile.attention is None:
        return None
    return attention_problem(profile.attention, placement.device, placement.dtype)


def _fp8_problem(settings: Settings, placement: Placement) -> str | None:
    try:
        refuse_without_fp8(placement.device)
    except Misconfigured as error:
        return str(error)
    if settings.share_device:
        return "FP8 weights can't be parked while another worker has the device"
    if torch.cuda.get_device_properties(placement.device).total_memory < FP8_COPY_CARD_BYTES:
        return "the card has no room for a second copy of the blocks"
    if settings.dit_memory_bytes is not None and settings.dit_memory_bytes < FP8_COPY_PART_BYTES:
        return "GRIDPRESS_DIT_MEMORY_BYTES leaves no room for a second copy of the blocks"
    return None


def _sizes(text: str, setting: str) -> tuple[tuple[int, int], ...]:
    """Parses sizes such as `"1024x1024,768x512"` into pairs (width, height) in pixels."""
    try:
        return tuple(_size(part) for part in text.split(",") if part.strip())
    except (ValueError, InvalidRequest) as error:
        raise Misconfigured(f"{setting}={text} is no list of sizes such as 1024x1024,768x512") from error


def _size(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split("x"))
    check_size(width, height)
    return width, height
