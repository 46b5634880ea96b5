"""A line of a batch names a model, and gets the defaults of the batch before those of its model."""

from typing import Any

import pytest

from shared.batches.batch import BatchSpec, Defaults
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest
from shared.files import FileId
from shared.ids import DEFAULT_TENANT
from shared.intake.batch_line import line_request
from shared.intake.request import JobRequest
from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.models.rules import ModelDefaults, ModelRules
from shared.settings.settings import Settings

SETTINGS = Settings()
PAINTER = "acme/Painter"
RULES = ModelRules(name=PAINTER, defaults=ModelDefaults(size="512x256", num_inference_steps=12))
MODELS = Catalogue(ModelNames.of(SETTINGS), (PAINTER,), rules={PAINTER.lower(): RULES})


def line(body: dict[str, Any], endpoint: str = "/v1/jobs", **spec: Any) -> JobRequest:
    batch = BatchSpec(
        tenant=DEFAULT_TENANT,
        input_file_id=FileId("file-" + "0" * 26),
        endpoint=endpoint,  # type: ignore[arg-type]
        window="24h",
        window_s=86_400,
        **spec,
    )
    rules = EgressRules.of(SETTINGS, lambda: False)
    return line_request(batch, {"prompt": "a", **body}, 0, SETTINGS, rules, catalogue=MODELS).request


@pytest.mark.parametrize("endpoint", ["/v1/jobs", "/v1/images/generations"])
def test_a_line_may_name_any_model(endpoint: str) -> None:
    asked = line({"model": "painter"}, endpoint)
    assert (MODELS.resolve(asked.model), asked.size, asked.num_inference_steps) == (PAINTER, "512x256", 12)
    assert MODELS.resolve(line({}, endpoint).model) is None
    with pytest.raises(InvalidRequest, match="does not serve the model flux"):
        line({"model": "flux"}, endpoint)


def test_the_default_of_the_batch_comes_first() -> None:
    asked = line({"model": PAINTER}, defaults=Defaults(num_inference_steps=7))
    assert (asked.num_inference_steps, asked.size) == (7, "512x256")


def test_a_default_size_is_for_requests_without_a_size_and_without_images() -> None:
    assert line({"model": PAINTER, "size": "256x256"}).size == "256x256"
    assert line({"model": PAINTER, "width": 256, "height": 256}).size is None
    assert line({"model": PAINTER, "images": [{"file_id": "file-" + "0" * 26}]}).size is None


def test_a_batch_may_have_a_default_model() -> None:
    defaults = Defaults(model=PAINTER)
    assert line({}, defaults=defaults).num_inference_steps == 12
    assert line({"model": "glm-image"}, defaults=defaults).num_inference_steps == 50


def test_a_rerender_has_no_defaults() -> None:
    prior = {"job_id": "job_" + "0" * 26}
    found = line({"prompt": "", "prior": prior}, defaults=Defaults(model=PAINTER))
    assert (found.model, found.num_inference_steps) == (None, 50)


def test_the_lines_have_the_models_of_the_key_that_made_the_batch() -> None:
    assert line({"model": PAINTER}, models=("ACME/painter",)).model == PAINTER
    with pytest.raises(InvalidRequest, match="for ACME/painter only"):
        line({}, models=("ACME/painter",))
