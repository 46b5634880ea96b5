"""Reads descriptions of a batch's pictures from the results of its lines. Does no I/O."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from shared.batches.outputs import file_name


class Names(Protocol):
    """Chooses the stem of the file names of a line."""

    def stem(self, custom_id: str) -> str: ...


def has_succeeded(line: Mapping[str, Any]) -> bool:
    """Returns whether all pictures of a batch line have succeeded. `line` is the line's result."""
    return bool(line["response"]) and line["response"]["status_code"] == 200


def pictures_of(line: Mapping[str, Any], names: Names) -> Iterator[dict[str, Any]]:
    """Yields a description of each picture of a succeeded line: name, location, checksum, prompt, seed and size.

    `line` is the line's result. Yields nothing for any other line.
    """
    if not has_succeeded(line):
        return
    body = line["response"]["body"]
    images = body.get("images") or body["data"]
    width, height = (body["width"], body["height"]) if "images" in body else map(int, body["size"].split("x"))
    stem, suffix = names.stem(line["custom_id"]), body["output_format"]
    for index, image in enumerate(images):
        yield {
            "custom_id": line["custom_id"],
            "line": line["line"],
            "index": index,
            "file": file_name(stem, index, len(images), suffix),
            "job_id": line["job_id"],
            "key": image["key"],
            "output_key": image.get("output_key"),
            "sha256": image["sha256"],
            "bytes": image["bytes"],
            "content_type": f"image/{suffix}",
            "url": image["url"],
            "prompt": body.get("prompt") or image["prompt"],
            "seed": image["seed"],
            "width": width,
            "height": height,
        }
