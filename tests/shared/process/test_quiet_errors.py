"""An error about a record or a request does not quote it, since its text goes into the log with the traceback."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from api.zai.schemas import ImageRequest
from shared.batches.batch import BatchSpec
from shared.intake.batch_line import Envelope
from shared.intake.openai import EditRequest, GenerationRequest
from shared.intake.request import JobRequest
from shared.jobs.spec import JobSpec, RenderSettings
from shared.settings.settings import Settings

MARK = "MARKPROMPT"
KINDS = (
    JobSpec,
    RenderSettings,
    BatchSpec,
    JobRequest,
    GenerationRequest,
    EditRequest,
    Envelope,
    ImageRequest,
    Settings,
)
BROKEN: tuple[dict[str, Any], ...] = (
    {"prompt": [MARK], "settings": MARK, "custom_id": [MARK], "tenant": [MARK], "redis_url": [MARK]},
    {"prompt": {MARK: MARK}, "settings": {"prompt": {MARK: 1}}, "webhook_secret": [MARK], "s3_secret_key": [MARK]},
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("broken", BROKEN)
def test_no_error_quotes_what_it_is_about(kind: type[BaseModel], broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(broken)
    assert MARK not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_nor_does_one_about_text_that_is_no_json(kind: type[BaseModel]) -> None:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate_json('{"prompt": "' + MARK)
    assert MARK not in str(caught.value)
