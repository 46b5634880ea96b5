"""Which weights a worker serves, as a short name that AR and DiT workers derive alike."""

import hashlib
from pathlib import Path

from huggingface_hub import snapshot_download

from shared.ids import Revision

_SAMPLE_BYTES = 1 << 20  # of each file, at both ends: enough to tell two trainings or two seeds apart


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
