"""Which model a worker serves: a folder on this machine, and the short name of its weights that all workers share."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import structlog
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from shared import demo_model
from shared.errors import MissingCheckpoint
from shared.ids import Revision
from shared.settings.settings import Settings
from workers.checkpoint.shipped import demo_weights
from workers.device.placement import place

log = structlog.get_logger()

HOW_TO_GET_ONE = (
    "set GRIDPRESS_MODEL=zai-org/GLM-Image, or GRIDPRESS_MODEL=demo for the small model that comes with Gridpress"
)
_SAMPLE_BYTES = 1 << 20  # of each file, at both ends: enough to tell two trainings or two seeds apart


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A checkpoint in `GlmImagePipeline`'s layout, of which at least the asked parts are there."""

    folder: str
    revision: Revision


def find_model(settings: Settings, parts: tuple[str, ...]) -> ModelSource:
    """The settings' folder, or those parts of a hub model, downloaded once.

    Without a model and without a GPU, it is the demonstration model. Revisions are the commit of a hub model; for a
    folder, 12 hex digits over its files' names, sizes, beginnings and ends. Raises `MissingCheckpoint` when the
    settings name no model for a GPU, or a model cannot be had.
    """
    transformers.utils.logging.disable_progress_bar()  # a worker's log is events
    model = settings.model or _default(settings)
    folder = _demo_folder() if model == demo_model.NAME else Path(model).expanduser()
    if folder.is_dir():
        check_parts(str(folder), parts)
        return ModelSource(str(folder), _revision(folder))
    return _from_hub(model, parts)


def _default(settings: Settings) -> str:
    """Returns the demonstration model's name, where there is no GPU and its weights are here.

    Raises `MissingCheckpoint`. On a GPU, a deployment that names no model is more likely a mistake.
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


def _from_hub(model: str, parts: tuple[str, ...]) -> ModelSource:
    try:
        snapshot = snapshot_download(model, allow_patterns=["model_index.json", *(f"{part}/*" for part in parts)])
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MissingCheckpoint(
            f"{model} is no folder here and no model that can be downloaded ({reason}): {HOW_TO_GET_ONE}"
        ) from error
    return ModelSource(snapshot, Revision(Path(snapshot).name[:12]))


def check_parts(path_or_id: str, parts: tuple[str, ...]) -> None:
    """Says what a local folder lacks before a library stumbles over it; leaves hub ids alone.

    Raises `MissingCheckpoint`.
    """
    folder = Path(path_or_id)
    missing = [part for part in parts if not (folder / part).is_dir()]
    if folder.is_dir() and missing:
        raise MissingCheckpoint(f"{folder} is no GLM-Image checkpoint, {', '.join(missing)} missing: {HOW_TO_GET_ONE}")
    if not folder.is_dir() and path_or_id.startswith(("/", ".", "~")):
        raise MissingCheckpoint(f"there is no folder {folder}: {HOW_TO_GET_ONE}")


def _revision(folder: Path) -> Revision:
    """The demonstration model's tells its name, so that clients can say what its pictures show."""
    fingerprint, shipped = _fingerprint(folder), demo_weights()
    is_shipped = shipped is not None and folder.resolve() == shipped.resolve()
    return demo_model.demo_revision(fingerprint) if is_shipped else Revision(fingerprint)


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE_BYTES))
            file.seek(max(0, size - _SAMPLE_BYTES))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:12]
