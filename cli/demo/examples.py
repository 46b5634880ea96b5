"""The demo's requests: on each line of `examples/prompts.jsonl` a name and the fields of `POST /v1/jobs`.

They are for the demonstration model. `examples/glm_image.jsonl` has some for the real one.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.jobs.pictures import data_url

PROMPTS = Path(__file__).parents[2] / "examples" / "prompts.jsonl"


@dataclass(frozen=True, slots=True)
class Example:
    """One request, and the name of its files. The API does not see the name."""

    name: str
    fields: dict[str, Any]


def load(prompts: Path) -> list[Example]:
    """Returns all examples, in order. `images` in the file are paths relative to the parent of its folder."""
    lines = prompts.read_text(encoding="utf-8").splitlines()
    return [_example(json.loads(line), prompts.resolve().parents[1]) for line in lines]


def _example(fields: dict[str, Any], root: Path) -> Example:
    name = fields.pop("name")
    if "images" in fields:
        fields["images"] = [data_url(root / path) for path in fields["images"]]
    return Example(name, fields)
