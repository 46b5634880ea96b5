"""Finds the pictures of a folder and their prompts. Does not read the text in the pictures."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from cli.batch.results.file import RESULTS
from cli.errors import Failure

_SUFFIXES = frozenset({".png", ".webp", ".jpeg", ".jpg"})
_UNICODE = b"UNICODE\0"  # EXIF 2.32: a UserComment begins with its character code


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and its prompt. `name` is the `custom_id` of the picture's batch line, or else the file name."""

    name: str
    path: Path
    prompt: str


def samples(folder: Path) -> list[Sample]:
    """Returns all pictures of a folder that have a known prompt.

    The prompts are read from `results.jsonl`. Without this file, they are read from the metadata of the pictures.
    Raises `Failure` when there is no picture with a prompt.
    """
    listed = folder / RESULTS
    found = list(_listed(listed) if listed.exists() else _embedded(folder))
    if not found:
        raise Failure(f"{folder} has no picture whose prompt is known: neither {RESULTS} nor embedded metadata")
    return found


def _listed(file: Path) -> Iterator[Sample]:
    # Only "\n" ends a line here. A prompt may contain other characters that Python would treat as the end of a line.
    with file.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                if entry.get("file"):
                    yield Sample(entry.get("custom_id") or entry["file"], file.parent / entry["file"], entry["prompt"])
            except (ValueError, KeyError, AttributeError) as error:
                raise Failure(f"{file} line {number} is not an object with file and prompt") from error


def _embedded(folder: Path) -> Iterator[Sample]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES:
            try:
                with Image.open(path) as picture:
                    prompt = _facts(picture).get("prompt")
            except OSError as error:
                raise Failure(f"{path} cannot be read as a picture: {error}") from error
            if prompt:
                yield Sample(path.name, path, prompt)


def _facts(picture: Image.Image) -> Mapping[str, str]:
    """Returns the metadata that is embedded in a picture.

    This is the JSON object in EXIF's UserComment. Without one, it is the text chunks of a PNG file.
    """
    comment = picture.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
    if isinstance(comment, bytes) and comment.startswith(_UNICODE):
        return dict(json.loads(comment.removeprefix(_UNICODE).decode("utf-16-be")))
    return {str(name): value for name, value in picture.info.items() if isinstance(value, str)}
