"""Reads the requests of the demo. Each line of `files/prompts.jsonl` has a name and the fields of `POST /v1/jobs`.

These requests are for the demonstration model. `files/glm_image.jsonl` has requests for the real model. The files are
in the package, so that an installed `gridpress demo` has them. In a checkout, the folder `examples` links to them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.jobs.pictures import data_url

PROMPTS = Path(__file__).parent / "files" / "prompts.jsonl"
FOR_GLM_IMAGE = PROMPTS.with_name("glm_image.jsonl")


@dataclass(frozen=True, slots=True)
class Example:
    """One request of the demo, and the name for its picture files. The name is not sent to the API."""

    name: str
    fields: dict[str, Any]


def load(prompts: Path) -> list[Example]:
    """Returns all requests of a file, in order.

    Paths of condition images are relative to the folder of the file.
    """
    lines = prompts.read_text(encoding="utf-8").splitlines()
    return [_example(json.loads(line), prompts.resolve().parent) for line in lines]


def _example(fields: dict[str, Any], folder: Path) -> Example:
    name = fields.pop("name")
    if "images" in fields:
        fields["images"] = [data_url(folder / path) for path in fields["images"]]
    return Example(name, fields)
