"""Computes the revision of a model in a local folder from a fingerprint of each of its parts. Loads no library.

A part is a folder of the checkpoint, such as `vae`. A machine that runs only one stage needs only some of the parts.
The file `parts.json` has the fingerprints of all parts. It is written where the checkpoint is complete, and travels
with every copy of some parts. So workers with different parts agree on the revision.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from shared.errors import MissingCheckpoint

FILE = "parts.json"
HOW_TO_WRITE = "run `gridpress checkpoint parts DIR` on the complete checkpoint"
_SAMPLE_BYTES = 1 << 20  # hashed at each end of every file; enough to distinguish two trainings or two seeds


def fingerprints(folder: Path) -> Mapping[str, str]:
    """Returns the fingerprint of each part in a checkpoint's folder. Files beside the parts, and hidden folders such as
    the cache of a download, do not count.
    """
    parts = sorted(part for part in folder.iterdir() if part.is_dir() and not part.name.startswith("."))
    return {part.name: _fingerprint(part) for part in parts}


def write_parts_file(folder: Path) -> Path:
    """Writes the fingerprints of all parts in the folder to the file `parts.json`, and returns the file."""
    file = folder / FILE
    file.write_text(json.dumps(fingerprints(folder), indent=2) + "\n")
    return file


def folder_fingerprint(folder: Path) -> str:
    """Returns 12 hex digits that identify the model of which the folder has all parts, or some.

    Without `parts.json`, the parts in the folder count as all parts. Raises `MissingCheckpoint` if a part differs from
    its fingerprint in `parts.json`, or if that file is broken.
    """
    present = fingerprints(folder)
    file = folder / FILE
    known = _read(file) if file.exists() else present
    if wrong := [part for part in present if known.get(part) != present[part]]:
        raise MissingCheckpoint(
            f"{folder}: {', '.join(wrong)} is not what {FILE} says: copy it again, or {HOW_TO_WRITE}"
        )
    return hashlib.sha256(json.dumps(dict(sorted(known.items()))).encode()).hexdigest()[:12]


def _read(file: Path) -> Mapping[str, str]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise MissingCheckpoint(f"{file} can't be read: {HOW_TO_WRITE}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise MissingCheckpoint(f"{file} has no fingerprints: {HOW_TO_WRITE}")
    return found


def _fingerprint(part: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in part.rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(part).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE_BYTES))
            file.seek(max(0, size - _SAMPLE_BYTES))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()
