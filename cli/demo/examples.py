"""Reads the requests of the demo. Each line of `examples/prompts.jsonl` has a name and the fields of `POST /v1/jobs`.

These requests are for the demonstration model. `examples/glm_image.jsonl` has requests for the real model.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.jobs.pictures import data_url

PROMPTS = Path(__file__).parents[2] / "examples" / "prompts.jsonl"


@dataclass(frozen=True, slots=True)
class Example:
    """One request of the demo, and the name for its picture files. The name is not sent to the API."""

    name: str
    fields: dict[str, Any]


def load(prompts: Path) -> list[Example]:
    """Returns all requests of a file, in order.

    Paths of condition images are relative to the parent of the file's folder, as in `examples/prompts.jsonl`.
    """
    lines = prompts.read_text(encoding="utf-8").splitlines()
    return [_example(json.loads(line), prompts.resolve().parents[1]) for line in lines]


def _example(fields: dict[str, Any], root: Path) -> Example:
    name = fields.pop("name")
    if "images" in fields:
        fields["images"] = [data_url(root / path) for path in fields["images"]]
    return Example(name, fields)
