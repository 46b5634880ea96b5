"""Numbers and booleans as text: read where the text spells one value, in every request that is JSON."""

from typing import Any

import pytest
from pydantic import BaseModel

from api.batches.schemas import BatchRequest
from api.zai.schemas import ImageRequest
from shared.intake.fields import InvalidFields, validated
from shared.intake.openai import EditRequest, GenerationRequest
from shared.intake.request import JobRequest
from shared.intake.text_values import with_values

PROMPT = {"prompt": "7"}
BATCH = {"input_file_id": "file-" + "0" * 26, "endpoint": "/v1/jobs", "completion_window": "24h"}


@pytest.mark.parametrize(
    ("model", "fields", "name", "value"),
    [
        (JobRequest, PROMPT, {"n": "3"}, 3),
        (JobRequest, PROMPT, {"seed": " 9007199254740991 "}, 2**53 - 1),
        (JobRequest, PROMPT, {"width": "512"}, 512),
        (JobRequest, PROMPT, {"guidance_scale": "2"}, 2.0),
        (JobRequest, PROMPT, {"temperature": "0.5"}, 0.5),
        (JobRequest, PROMPT, {"start_timeout_s": "6e1"}, 60.0),
        (JobRequest, PROMPT, {"resize": "true"}, True),
        (JobRequest, PROMPT, {"embed_metadata": "False"}, False),
        (JobRequest, PROMPT, {"enhance_prompt": "on"}, True),
        (GenerationRequest, PROMPT, {"n": "2"}, 2),
        (GenerationRequest, PROMPT, {"stream": "false"}, False),
        (EditRequest, PROMPT, {"output_compression": "100"}, 100),
        (ImageRequest, PROMPT, {"n": "2"}, 2),
        (ImageRequest, PROMPT, {"watermark_enabled": "false"}, False),
        (BatchRequest, BATCH, {"dry_run": "true"}, True),
        (BatchRequest, BATCH, {"delete_after_s": "86400"}, 86_400),
    ],
)
def test_a_number_or_boolean_may_be_text(
    model: type[BaseModel], fields: dict[str, Any], name: dict[str, str], value: object
) -> None:
    [field] = name
    found = getattr(validated(model, {**fields, **name}), field)
    assert (found, type(found)) == (value, type(value))


def test_fields_of_objects_are_read_too() -> None:
    prior = {"job_id": "job_" + "0" * 26, "index": "2"}
    request = validated(JobRequest, {"prior": prior})
    assert request.prior is not None
    assert request.prior.index == 2
    assert validated(BatchRequest, {**BATCH, "defaults": {"n": "2"}}).defaults.n == 2


def test_text_stays_text() -> None:
    fields = {"prompt": "7", "size": "7", "metadata": {"order": "7"}, "webhook_url": "7", "images": ["7"], "odd": "7"}
    assert with_values(JobRequest, fields) == fields


@pytest.mark.parametrize(
    "fields",
    [
        {"n": "two"},
        {"n": "3.0"},
        {"n": "0x3"},
        {"n": ""},
        {"n": "٣"},
        {"n": "9" * 400},
        {"n": "-1"},
        {"guidance_scale": "NaN"},
        {"guidance_scale": "1e999"},
        {"guidance_scale": "2,5"},
        {"resize": "maybe"},
        {"resize": ""},
        {"resize": "2"},
        {"resize": 1},
        {"n": True},
    ],
)
def test_any_other_text_is_refused_with_its_field(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidFields) as refusal:
        validated(JobRequest, {**PROMPT, **fields})
    assert [refusal.value.field] == list(fields)
