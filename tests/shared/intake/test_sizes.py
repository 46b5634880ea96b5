"""Every door takes a size in every spelling, and passes it on in one."""

from collections.abc import Callable

import pytest

from api.zai.schemas import ImageRequest
from cli.batch.input.table import rows
from cli.plan.command import _sides
from shared.batches.batch import BatchSpec
from shared.egress.rules import EgressRules
from shared.files import FileId
from shared.ids import DEFAULT_TENANT
from shared.intake.batch_line import line_request
from shared.intake.openai import EditRequest, GenerationRequest
from shared.intake.request import JobRequest
from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.settings.settings import Settings

PROMPT = {"prompt": "a red kite"}


def of_job(size: str) -> str | None:
    return JobRequest.model_validate({**PROMPT, "size": size}).size


def of_line(size: str) -> str | None:
    settings = Settings()
    file_id = FileId("file-" + "0" * 26)
    spec = BatchSpec(
        tenant=DEFAULT_TENANT, input_file_id=file_id, endpoint="/v1/images/generations", window="24h", window_s=86_400
    )
    body = {**PROMPT, "size": size}
    rules, catalogue = EgressRules.of(settings, lambda: False), Catalogue(ModelNames.of(settings))
    return line_request(spec, body, 0, settings, rules, catalogue=catalogue).request.size


def of_row(size: str) -> str | None:
    [(_, fields)] = rows(iter([b"prompt,size\n", f'a,"{size}"\n'.encode()]))
    assert isinstance(fields, dict)
    return JobRequest.model_validate(fields).size


def of_plan(size: str) -> str:
    width, height = _sides(size)
    return f"{width}x{height}"


DOORS: dict[str, Callable[[str], str | None]] = {
    "jobs": of_job,
    "OpenAI generations": lambda size: of_job(GenerationRequest(prompt="a", size=size).fields_of_job()["size"]),
    "OpenAI edits": lambda size: of_job(EditRequest(prompt="a", size=size).fields_of_job()["size"]),
    "Z.ai": lambda size: of_job(ImageRequest(prompt="a", size=size).fields_of_job()["size"]),
    "a batch line": of_line,
    "a CSV row": of_row,
    "gridpress plan": of_plan,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("size", ["1152X1024", "1152*1024", "1152×1024", " 1152 x 1024 "])
def test_a_size_in_any_spelling_is_passed_on_in_one(door: str, size: str) -> None:
    assert DOORS[door](size) == "1152x1024"
