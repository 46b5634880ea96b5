"""Finds the model that a worker serves: its folder on this machine, and its revision, which is the same for all workers
with this model.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import structlog
import transformers

from shared import demo_model
from shared.errors import MissingCheckpoint
from shared.ids import Revision
from shared.models.precision import served_revision
from shared.schedule.starting_worker import StartPhase
from shared.settings.settings import Settings
from workers.checkpoint.shipped import demo_weights
from workers.device.placement import place
from workers.model.download import HOW_TO_GET_ONE, Phases, download
from workers.model.fingerprint import folder_fingerprint
from workers.model.shards import broken_shards, num_weight_bytes

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A folder with a checkpoint in the layout of diffusers' `GlmImagePipeline`. It contains at least the parts that a
    worker needs, whose weights have `num_bytes` bytes.
    """

    folder: str
    revision: Revision
    num_bytes: int = 0


def _no_phase(_: StartPhase, _total_bytes: int = 0) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda _: None)


def find_model(settings: Settings, parts: tuple[str, ...], phase: Phases = _no_phase) -> ModelSource:
    """Returns the model that the settings name: a local folder, or a model of the Hugging Face hub. If the settings
    name no model and there is no GPU, it returns the demonstration model.

    - Of a hub model only `parts` are downloaded, once. Its revision is its commit. The setting `model_revision` chooses
      the commit; without it, a worker logs which commit it has found.
    - The revision of a folder is 12 hex digits, a hash of the names, sizes, beginnings and ends of the files of its
      parts (`workers.model.fingerprint`).
    - With `GRIDPRESS_DIT_FP8=all` the revision ends in `-fp8`, and with `GRIDPRESS_AR_FP8` it has `-arfp8` before that,
      because all pictures differ then.

    `phase` begins to show the progress of a download of this many bytes, and yields a function that counts them. Raises
    `MissingCheckpoint` if the settings name no model for a GPU, or if the model is missing or can't be
    downloaded.
    """
    transformers.utils.logging.disable_progress_bar()  # a worker's log contains only events
    model = settings.model or _default(settings)
    folder = _demo_folder() if model == demo_model.NAME else Path(model).expanduser()
    if folder.is_dir():
        check_parts(str(folder), parts)
        path, revision = folder, _revision(folder)
    else:
        path = download(model, settings.model_revision, parts, phase)
        check_parts(str(path), parts)
        revision = Revision(path.name[:12])
    served = served_revision(revision, settings.dit_fp8, is_ar_in_fp8=settings.ar_fp8)
    return ModelSource(str(path), served, num_weight_bytes(path, parts))


def _default(settings: Settings) -> str:
    """Returns the name of the demonstration model, if there is no GPU and this installation has the weights of that
    model.

    Otherwise it raises `MissingCheckpoint`. If there is a GPU but no model is set, the setting was probably forgotten.
    """
    if place(settings).device.type != "cpu" or demo_weights() is None:
        raise MissingCheckpoint(f"no model: {HOW_TO_GET_ONE}")
    log.info("model.default", model=demo_model.NAME, knows=demo_model.KNOWS)
    return demo_model.NAME


def _demo_folder() -> Path:
    if folder := demo_weights():
        return folder
    raise MissingCheckpoint(
        "this installation lacks the demonstration model's weights: set GRIDPRESS_MODEL=zai-org/GLM-Image, "
        "or build random ones: gridpress checkpoint tiny DIR"
    )


def check_parts(path: str, parts: tuple[str, ...]) -> None:
    """Raises `MissingCheckpoint` if a folder is missing or lacks one of the model's parts, or if a file of their
    weights is missing, truncated or wrong. Without this check, a library would raise a less clear error.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise MissingCheckpoint(f"there is no folder {folder}: {HOW_TO_GET_ONE}")
    if missing := [part for part in parts if not (folder / part).is_dir()]:
        raise MissingCheckpoint(f"{folder} is no GLM-Image checkpoint, {', '.join(missing)} missing: {HOW_TO_GET_ONE}")
    if faults := [fault for part in parts for fault in broken_shards(folder / part)]:
        raise MissingCheckpoint(f"{folder}: {'; '.join(faults)}. Copy these files again, or run gridpress pull again")


def _revision(folder: Path) -> Revision:
    """Returns the revision of the model in a local folder.

    The demonstration model's revision contains the model's name, so that clients can recognise it.
    """
    fingerprint, shipped = folder_fingerprint(folder), demo_weights()
    is_shipped = shipped is not None and folder.resolve() == shipped.resolve()
    return demo_model.demo_revision(fingerprint) if is_shipped else Revision(fingerprint)
