"""Which names mean the served model, what a name implies, and which hints have no effect."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.intake.openai import EditRequest, GenerationRequest
from shared.models.names import ModelNames
from shared.settings.settings import Settings

SERVED = "zai-org/GLM-Image"
NAMES = ModelNames.of(Settings(model_aliases=" dall-e-3, GPT-Image-1 ,,openai/dall-e-2,zai-org/glm-image"))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (SERVED, SERVED),
        ("ZAI-ORG/glm-image", SERVED),
        ("glm-image", SERVED),
        ("GLM-Image", SERVED),
        ("DALL-E-3", "dall-e-3"),
        ("gpt-image-1", "GPT-Image-1"),
        ("openai/dall-e-2", "openai/dall-e-2"),
        ("dall-e-2", None),
        ("gpt-image-1-mini", None),
        ("openai/glm-image", None),
        ("", None),
    ],
)
def test_a_request_may_use_the_served_name_a_short_one_and_those_of_the_setting(name: str, found: str | None) -> None:
    assert NAMES.find(name) == found


def test_the_error_for_another_name_has_all_names_and_the_setting() -> None:
    text = NAMES.refusal("flux" * 1000)
    assert all(name in text for name in (*NAMES.listed, "glm-image", "GRIDPRESS_MODEL_ALIASES"))
    assert len(text) < 400  # an error response has room for 500 characters


def test_each_name_is_listed_once_with_the_served_one_first() -> None:
    assert NAMES.listed == (SERVED, "dall-e-3", "GPT-Image-1", "openai/dall-e-2")


def test_a_model_with_a_name_of_its_own_keeps_both_short_names() -> None:
    names = ModelNames.of(Settings(served_model_name="acme/Painter"))
    assert [names.find(name) for name in ("painter", "glm-image", SERVED)] == ["acme/Painter", "acme/Painter", None]


@pytest.mark.parametrize("text", ["dall e 3", "a\nb", "ü", "x" * 129])
def test_a_name_that_no_client_could_send_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="is no model name"):
        Settings(model_aliases=f"dall-e-3,{text}")


@pytest.mark.parametrize(
    ("model", "wants_url"),
    [
        *((name, True) for name in ("dall-e-2", "DALL-E-3", "openai/dall-e-3", "azure/dalle3", "dall-e-3-hd")),
        *((name, False) for name in (None, SERVED, "gpt-image-1", "chatgpt-image-latest", "kendall-easel", "dallas-1")),
    ],
)
def test_only_a_name_of_the_dall_e_kind_defaults_to_links(model: str | None, wants_url: bool) -> None:
    assert GenerationRequest(prompt="a", model=model).wants_url is wants_url
    for format_, wanted in (("url", True), ("b64_json", False)):
        assert GenerationRequest(prompt="a", model=model, response_format=format_).wants_url is wanted


@pytest.mark.parametrize(
    ("kind", "fields", "named"),
    [
        (GenerationRequest, {"style": "vivid"}, ["style"]),
        (GenerationRequest, {"complexity": "high", "style": "natural"}, ["style", "complexity"]),
        (GenerationRequest, {"moderation": "auto"}, ["moderation"]),
        (GenerationRequest, {"input_fidelity": "low"}, ["input_fidelity"]),
        (EditRequest, {"input_fidelity": "low", "moderation": "low"}, ["moderation", "input_fidelity"]),
        (EditRequest, {"input_fidelity": "high", "background": "opaque", "style": None}, []),
        (GenerationRequest, {"quality": "hd", "user": "me", "partial_images": 0, "stream": False}, []),
    ],
)
def test_each_hint_without_effect_is_named_in_a_warning(kind: Any, fields: dict[str, Any], named: list[str]) -> None:
    assert [text.partition(" ")[0] for text in kind(prompt="a", **fields).warnings] == named
    assert all(field not in kind(prompt="a", **fields).fields_of_job() for field in fields if field in named)
