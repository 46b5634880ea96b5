"""Reports which device and options the stages AR and DiT will use, and how much memory they need.

Only this part of the report of `gridpress doctor` loads torch.
"""

from functools import partial
from pathlib import Path

from cli.doctor.findings import Findings, gib
from shared import demo_model
from shared.errors import GridpressError
from shared.settings.settings import Settings

_SIDES_PX = (1024, 2048)


def compute(settings: Settings) -> Findings:
    """Returns facts about the device that the stages will use, and the options that the settings ask for.

    Reports options that don't work on the device as problems.
    """
    from cli.doctor.capabilities import capabilities  # noqa: PLC0415 - takes seconds, and an API has no torch
    from workers.device.fp8_linear import fp8_problem  # noqa: PLC0415
    from workers.device.placement import guidance_devices, place, sequence_devices  # noqa: PLC0415
    from workers.dit.model.choosing import described, options_of, profile_for, sequence_size  # noqa: PLC0415

    findings = Findings("compute")
    try:
        devices = sequence_devices(settings) or guidance_devices(settings)
        sequence_size(settings)
        placement = place(settings, devices[0] if devices else None)
        options = options_of(settings, placement)
    except GridpressError as error:
        findings.complain(str(error), "docs/devices.md has settings for every size of GPU")
        return findings
    findings.facts.update(
        device=f"{placement.device}, {str(placement.dtype).removeprefix('torch.')}",
        profile=profile_for(placement.device).name,
        options=", ".join(f"{name} {value}" for name, value in described(options).items()),
        ar_weights="FP8 in the text model's layers" if settings.ar_fp8 else "as in the checkpoint",
        sharing="AR and DiT take turns" if settings.share_device else "no",
        guidance=settings.dit_guidance_devices or "both branches on one device",
        large_pictures=settings.dit_sequence_devices or "on one device",
    )
    findings.facts.update(capabilities(placement.device, placement.dtype))
    _check_option(findings, "GRIDPRESS_DIT_ATTENTION", settings.dit_attention, findings.facts["attention backends"])
    if settings.dit_fp8 in ("tiers", "all") and findings.facts["FP8 weights"] != "yes":
        findings.complain("GRIDPRESS_DIT_FP8 cannot work here", findings.facts["FP8 weights"].removeprefix("no: "))
    if settings.ar_fp8 and (problem := fp8_problem(placement.device, placement.dtype)):
        findings.complain("GRIDPRESS_AR_FP8 cannot work here", problem)
    return findings


def memory(settings: Settings) -> Findings:
    """Returns facts about the memory that each stage needs, computed from a checkpoint's configuration files.

    Reports a problem if the device has too little free memory.
    """
    from cli.doctor.capabilities import free_bytes  # noqa: PLC0415
    from cli.doctor.memory import ar_memory, dit_memory  # noqa: PLC0415
    from workers.device.placement import place  # noqa: PLC0415
    from workers.dit.model.choosing import options_of  # noqa: PLC0415

    findings = Findings("memory")
    if (folder := _folder(settings.model)) is None:
        findings.facts["model"] = f"{settings.model or 'none given'}: not a folder here, so its memory is unknown"
        return findings
    _check_files(findings, folder)
    try:
        placement = place(settings)
        free = free_bytes(placement.device)
        ar = ar_memory(folder, placement.dtype, settings.ar_slots, settings.ar_kv_bytes, free, in_fp8=settings.ar_fp8)
        in_tiles = settings.dit_vae_tiles == "always"
        size_of = partial(dit_memory, folder, placement.dtype, fp8=options_of(settings, placement).fp8)
        dits = [size_of(side, side, in_tiles=in_tiles) for side in _SIDES_PX]
        if free is not None and settings.dit_vae_tiles == "auto":
            pairs = zip(_SIDES_PX, dits, strict=True)
            dits = [dit if dit.total <= free else size_of(side, side, in_tiles=True) for side, dit in pairs]
    except (GridpressError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        findings.complain(f"{folder} is no GLM-Image checkpoint: {reason}", "gridpress checkpoint tiny DIR makes one")
        return findings
    findings.facts["AR"] = f"{gib(ar.total)}: weights {gib(ar.weights)}, KV memory {gib(ar.reserved)}"
    for side, dit in zip(_SIDES_PX, dits, strict=True):
        parts = f"weights {gib(dit.weights)}, work about {gib(dit.working)}"
        findings.facts[f"DiT at {side}x{side}"] = f"{gib(dit.total)}: {parts}"
    if free is not None:
        findings.facts["free on the device"] = gib(free)
        # On a shared device, only the KV memory stays while the DiT works. Otherwise both stages are there at once.
        together = max(ar.total, dits[0].total + ar.reserved) if settings.share_device else ar.total + dits[0].total
        _check_room(findings, together, free, is_shared=settings.share_device)
    return findings


def _folder(model: str | None) -> Path | None:
    """Returns the folder of a model's checkpoint, or None if the model is not a folder on this machine.

    If no model is given, returns the folder of the demonstration model.
    """
    from workers.checkpoint.shipped import demo_weights  # noqa: PLC0415

    if not model or model == demo_model.NAME:
        return demo_weights()
    folder = Path(model).expanduser()
    return folder if folder.is_dir() else None


def _check_files(findings: Findings, folder: Path) -> None:
    """Reports every file of weights that is missing, truncated or wrong. Reads only the heads of the files."""
    from workers.model.shards import broken_shards  # noqa: PLC0415

    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        for fault in broken_shards(part):
            findings.complain(f"{folder}: {fault}", "copy this file again, or run gridpress pull again")


def _check_room(findings: Findings, needed: int, free: int, *, is_shared: bool) -> None:
    if needed > free:
        remedy = "set a smaller GRIDPRESS_AR_KV_BYTES" if is_shared else "set GRIDPRESS_SHARE_DEVICE=true"
        findings.complain(
            f"both stages need {gib(needed)} of the {gib(free)} that are free", f"{remedy}: docs/devices.md"
        )


def _check_option(findings: Findings, setting: str, name: str | None, usable: str) -> None:
    if name and name not in usable.split(", "):
        findings.complain(f"{setting}={name} does not work here", f"use one of {usable}")
