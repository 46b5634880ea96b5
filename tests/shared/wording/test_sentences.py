"""Every error of every model is a sentence of ours that names the field, whatever comes in the field."""

from collections.abc import Iterator
from itertools import product
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

import api.app  # noqa: F401 - defines every model of a request
from shared.intake.batch_line import BadLine, read_envelope
from shared.intake.fields import InvalidFields, validated
from shared.intake.request import JobRequest
from shared.wording.sentences import Wording
from shared.wording.values import nearest, quoted, why_absent
from tests.shared.wording.phrases import check, check_fault

_WRONG: tuple[Any, ...] = (
    *(None, True, 5, -1, 1.5, 10**30, float("nan"), float("inf"), "", "x", "5", "x" * 9_000, "nul\0", "\ud83d"),
    *("2026-13-45T00:00:00Z", "0001-01-01T00:00:00+10:00", "not a url", "http://["),
    *([], {}, [None], ["x"], [5], [{}], {"x": None}, {"x": 5}, {"": "x"}, {"x" * 99: "x" * 999}),
    *({str(number): "" for number in range(99)}, ["x"] * 99, b"x"),
)


def models(base: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    """Every model of a request. Only they forbid unknown fields."""
    for model in base.__subclasses__():
        if model.model_config.get("extra") == "forbid" and model.__module__.startswith(("api.", "shared.")):
            yield model
        yield from models(model)


REQUESTS = sorted(set(models()), key=lambda model: model.__name__)


def errors(model: type[BaseModel], fields: object, *, is_text: bool = False) -> list[tuple[str | None, str]]:
    try:
        validated(model, fields, is_text=is_text)
    except InvalidFields as error:
        return [(fault.field, fault.message) for fault in error.errors]
    return []


def message_of(model: type[BaseModel], fields: object) -> str:
    [(_, message)] = errors(model, fields)
    return message


@pytest.mark.parametrize("model", REQUESTS, ids=lambda model: model.__name__)
def test_every_error_is_in_our_words_and_names_its_field(model: type[BaseModel]) -> None:
    own = vars(model).get("__annotations__", ())  # inherited fields are tried in the class that defines them
    asked = [{name: value} for name in own for value in _WRONG]
    bodies: list[object] = [{}, None, 5, [], "x", {"nonsense": 1}, {"x" * 999: 1}, {"\ud83d": 1}, *asked]
    found = [fault for body in bodies for fault in errors(model, body)]
    texts = [{name: value} for name in own for value in ("x", "1.5", "")]
    found += [fault for body in texts for fault in errors(model, body, is_text=True)]
    assert found
    for field, message in found:
        check_fault(field, message)


def test_a_required_field_and_an_unknown_field_are_named() -> None:
    for model in REQUESTS:
        told = dict(errors(model, {"nonsense": 1}))
        assert told["nonsense"].startswith("nonsense is not known here")
        for name, field in model.model_fields.items():
            assert not field.is_required() or told[name].startswith(f"{name} is missing: it must be ")


def context_of(kind: str) -> dict[str, Any]:
    """All values that any of pydantic's messages contains."""
    numbers = ("gt", "ge", "lt", "le", "multiple_of", "tz_expected", "tz_actual", "expected_version", "whole_digits")
    more = ("min_length", "max_length", "actual_length", "max_digits", "decimal_places")
    words = (
        "field_type",
        "pattern",
        "expected",
        "discriminator",
        "tag",
        "expected_tags",
        "class",
        "class_name",
        "name",
    )
    rest = ("method_name", "attribute", "encoding", "encoding_error", "expected_schemes", "error")
    # The two kinds whose text is ours have an exception.
    error = {"error": ValueError("must be other")} if kind in ("value_error", "assertion_error") else {}
    return {**dict.fromkeys((*numbers, *more), 4), **dict.fromkeys((*words, *rest), "pydantic"), **error}


def test_no_kind_of_error_shows_pydantics_words() -> None:
    places = (("metadata", "a"), ("n",), ("prior", "job_id"), ("images", 0))
    for kind, where in product(get_args(ErrorType), places):
        fault = InitErrorDetails(type=kind, loc=where, input="x", ctx=context_of(kind))
        [flaw] = Wording(JobRequest).flaws(ValidationError.from_exception_data("pydantic", [fault]))
        check_fault(flaw.field, flaw.message)


def test_an_error_of_a_validator_of_ours_keeps_its_words() -> None:
    fault = InitErrorDetails(type=PydanticCustomError("own", "must be whole"), loc=("n",), input=0.5)
    [flaw] = Wording(JobRequest).flaws(ValidationError.from_exception_data("", [fault]))
    assert flaw.message == "n must be whole, not 0.5"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n": 0}, "n must be a whole number of at least 1, not 0"),
        ({"n": "5.0"}, 'n must be a whole number of at least 1, not the text "5.0"'),
        ({"embed_metadata": "maybe"}, 'embed_metadata must be true or false, not the text "maybe"'),
        ({"top_p": 0}, "top_p must be a number above 0 and at most 1, not 0"),
        ({"seed": -1}, "seed must be a whole number from 0 to 9007199254740991, not -1"),
        ({"output_format": "JPG"}, 'output_format must be png, webp or jpeg, not "JPG": did you mean jpeg?'),
        ({"images": "https://a.example/b.png"}, "images must be a list, not one text: put it in brackets"),
        ({"images": ["https://a.example/", 5]}, "images[1] must be text or an object with file_id, not 5"),
        ({"metadata": {"a": "v" * 513}}, "metadata.a must be text of at most 512 characters, not of 513"),
        ({"metadata": {"k" * 65: ""}}, f"metadata.{'k' * 65}: this name must be text of 1 to 64 characters, not of 65"),
        ({"webhook_events": []}, "webhook_events must be a list of 1 to 7 entries, not of 0"),
        ({"prior": {"job_id": "x"}}, 'prior.job_id must be text such as job_01ke6q8v3c9t0n5w7x2z4b6d8f, not "x"'),
        ({"prior": {}}, "prior.job_id is missing: it must be text such as job_01ke6q8v3c9t0n5w7x2z4b6d8f"),
        ({"gudance_scale": 2}, "gudance_scale is not known here: did you mean guidance_scale?"),
        ({"negativePrompt": "rain"}, f"negativePrompt is not known here: {why_absent('negative_prompt')}"),
        ({"numInferenceSteps": 9}, "numInferenceSteps is not known here: did you mean num_inference_steps?"),
        ({"steps": 9}, "steps is not known here: did you mean num_inference_steps?"),
    ],
)
def test_a_sentence_says_what_came_and_what_would_work(fields: dict[str, Any], message: str) -> None:
    assert message_of(JobRequest, {"prompt": "a", **fields}) == message


@pytest.mark.parametrize(
    ("line", "param", "said"),
    [
        (b"[]", None, "the line must be a JSON object, not a list"),
        (b'{"method": "POST", "url": "/v1/jobs", "body": {}}', "custom_id", "custom_id is missing"),
        (b'{"custom_id": "a", "method": "GET", "url": "/v1/jobs", "body": {}}', "method", 'must be POST, not "GET"'),
        (
            b'{"custom_id": "a", "method": "POST", "url": "/v1/jobs", "body": 5}',
            "body",
            "body must be an object, not 5",
        ),
        (b'{"customid": "a", "method": "POST", "url": "/", "body": {}, "custom_id": "a"}', "customid", "custom_id?"),
    ],
)
def test_a_batch_line_says_what_is_wrong_with_its_envelope(line: bytes, param: str | None, said: str) -> None:
    with pytest.raises(BadLine) as caught:
        read_envelope(line, 0)
    assert caught.value.fault.param == param
    assert said in caught.value.fault.message
    check_fault(param, caught.value.fault.message)


@pytest.mark.parametrize(
    "secret", ["whsec_bXkgb3du", "Bearer abc", "gp_0123", "sk-abc", "https://u:p@a.example/", "https://a/?X-Amz-Key=1"]
)
def test_what_may_be_a_secret_is_never_quoted(secret: str) -> None:
    assert quoted(secret) == "a text that may be a secret"
    for field in ("webhook_secret", "webhook_url", "output_format", "size", "deadline"):
        for value in (secret, {"a": secret}, [secret]):
            for _, message in errors(JobRequest, {"prompt": "a", field: value}):
                assert secret not in message


def test_a_picture_and_a_long_text_are_quoted_in_short() -> None:
    assert quoted("data:image/png;base64," + "A" * 999) == "a data URL"
    assert quoted("x" * 999) == f'"{"x" * 37}..."'
    assert quoted("\x1b[31m\n") == '"\\u001b[31m\\n"'
    assert quoted(10**4000) == "a number with more than 20 digits"


def test_a_name_that_is_like_no_other_gets_no_hint() -> None:
    assert nearest("negative_prompt", JobRequest.model_fields) is None
    check(message_of(JobRequest, {"prompt": "a", "negative_prompt": "b"}))
