"""Which model a worker serves, and the short name of its weights that AR and DiT workers derive alike."""

import hashlib
from pathlib import Path

from huggingface_hub import snapshot_download

from shared.errors import MissingCheckpoint
from shared.ids import Revision
from shared.settings import Settings

_SAMPLE_BYTES = 1 << 20  # of each file, at both ends: enough to tell two trainings or two seeds apart


def required_model(settings: Settings) -> str:
    """The folder or hub id to load. Raises `MissingCheckpoint` when the settings name none."""
    if not settings.model:
        raise MissingCheckpoint(
            "no model: set GRIDPRESS_MODEL=zai-org/GLM-Image, or build a small one: gridpress checkpoint tiny DIR"
        )
    return settings.model


def revision_of(model: str) -> Revision:
    """The commit of a hub model; for a folder, 12 hex digits over its files' names, sizes, beginnings and ends."""
    folder = Path(model)
    if folder.is_dir():
        return Revision(_fingerprint(folder))
    snapshot = snapshot_download(model, allow_patterns=["model_index.json"])
    return Revision(Path(snapshot).name[:12])


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
