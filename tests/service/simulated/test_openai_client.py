"""The unmodified `openai` client, and the model card's curl, against the whole service with simulated engines."""

import asyncio
import base64
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image

from shared.geometry import num_decode_steps
from tests.api.pictures import data_url, png

MODEL, PROMPT, SIZE = "zai-org/GLM-Image", "a red kite", "256x288"
ASKED: dict[str, Any] = {"model": MODEL, "prompt": PROMPT, "size": SIZE, "extra_body": {"num_inference_steps": 4}}


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="any", base_url=f"{url}/v1", max_retries=0) as client:
        yield client


def pictures(answer: ImagesResponse) -> list[Image.Image]:
    """What `b64_json` holds."""
    assert answer.data
    return [Image.open(io.BytesIO(base64.b64decode(image.b64_json or "", validate=True))) for image in answer.data]


def test_a_picture_is_generated(client: openai.OpenAI) -> None:
    answer = client.images.generate(**ASKED, quality="low", response_format="b64_json", user="me")
    (picture,) = pictures(answer)
    assert (picture.format, picture.size) == ("PNG", (256, 288))
    told = (answer.background, answer.output_format, answer.quality, answer.size, answer.safety_identifier)
    assert told == ("opaque", "png", "low", SIZE, "me")
    tokens = num_decode_steps(256, 288, is_edit=False)
    assert answer.usage
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (0, tokens, tokens)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_formats_and_numbers_are_kept(client: openai.OpenAI, output_format: Any) -> None:
    compression = {} if output_format == "png" else {"output_compression": 0}
    answer = client.images.generate(**ASKED, n=3, output_format=output_format, **compression)
    found = pictures(answer)
    assert [picture.format for picture in found] == [output_format.upper()] * 3
    assert len({picture.tobytes() for picture in found}) == 3


def test_the_same_seed_draws_the_same(client: openai.OpenAI) -> None:
    asked = {**ASKED, "extra_body": {"seed": 7, "num_inference_steps": 4, "guidance_scale": 2.0, "top_p": 0.5}}
    first, again = (pictures(client.images.generate(**asked))[0] for _ in range(2))
    assert first.tobytes() == again.tobytes()


def test_a_url_needs_no_key(client: openai.OpenAI) -> None:
    answer = client.images.generate(**ASKED, response_format="url")
    assert answer.data
    got = httpx.get(answer.data[0].url or "", trust_env=False).raise_for_status()
    assert got.headers["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(got.content)).size == (256, 288)


@pytest.mark.parametrize("count", [1, 2])
def test_images_are_edited(client: openai.OpenAI, count: int) -> None:
    files = [(f"{index}.png", png(512, 544)) for index in range(count)]
    answer = client.images.edit(
        image=files if count > 1 else files[0],
        prompt=PROMPT,
        model=MODEL,
        n=2,
        input_fidelity="high",
        extra_body={"num_inference_steps": 3, "metadata": {"colour": "red"}, "resize": True},
    )
    assert [picture.size for picture in pictures(answer)] == [(512, 544)] * 2


def test_images_are_edited_by_reference(client: openai.OpenAI) -> None:
    file = client.files.create(file=("a.png", png()), purpose="vision")
    images = [{"image_url": data_url(png())}, {"file_id": file.id}]
    body = {"prompt": PROMPT, "images": images, "size": SIZE, "num_inference_steps": 3}
    answer = client.post("/images/edits", body=body, cast_to=ImagesResponse)
    assert pictures(answer)[0].size == (256, 288)


def test_a_stream_ends_with_the_picture(client: openai.OpenAI) -> None:
    (last,) = client.images.generate(**ASKED, stream=True)
    assert last.type == "image_generation.completed"
    assert Image.open(io.BytesIO(base64.b64decode(last.b64_json))).size == (256, 288)
    assert last.usage.output_tokens == num_decode_steps(256, 288, is_edit=False)


def test_an_edits_stream_has_its_own_names(client: openai.OpenAI) -> None:
    stream = client.images.edit(
        image=("a.png", png()), prompt=PROMPT, n=2, stream=True, size=SIZE, extra_body={"num_inference_steps": 3}
    )
    events = list(stream)
    assert [event.type for event in events] == ["image_edit.completed"] * 2
    assert sorted(event.image_index for event in events) == [0, 1]  # type: ignore[attr-defined]


def test_a_failure_is_told_once_and_not_tried_again(url: str) -> None:
    with openai.OpenAI(api_key="any", base_url=f"{url}/v1", max_retries=5) as client:
        before = num_jobs(url)
        with pytest.raises(openai.InternalServerError) as failure:
            client.images.generate(**{**ASKED, "prompt": "[simulate fail in dit]"})
        assert failure.value.code == "simulated_failure"
        job = httpx.get(f"{url}/v1/jobs/{failure.value.response.headers['x-gridpress-job-id']}", trust_env=False)
        assert job.json()["status"] == "failed"
        assert num_jobs(url) == before + 1


def num_jobs(url: str) -> int:
    return len(httpx.get(f"{url}/v1/jobs?limit=100", trust_env=False).json()["data"])


def test_a_failure_ends_a_stream_as_an_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError) as failure:
        list(client.images.generate(**{**ASKED, "prompt": "[simulate fail in ar]"}, stream=True))
    assert failure.value.code == "simulated_failure"


def test_an_async_client_has_the_same(url: str) -> None:
    async def ask() -> tuple[ImagesResponse, list[Any], ImagesResponse]:
        async with openai.AsyncOpenAI(api_key="any", base_url=f"{url}/v1") as client:
            plain = client.images.generate(**ASKED)
            edit = client.images.edit(image=("a.png", png()), prompt=PROMPT, size=SIZE)
            stream = await client.images.generate(**ASKED, stream=True)
            return await plain, [event async for event in stream], await edit

    plain, events, edit = asyncio.run(ask())
    assert [picture.size for picture in [*pictures(plain), *pictures(edit)]] == [(256, 288)] * 2
    assert [event.type for event in events] == ["image_generation.completed"]


def test_the_model_is_listed_and_found(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "zai-org"
    with pytest.raises(openai.NotFoundError) as refusal:
        client.models.retrieve("dall-e-3")
    assert refusal.value.code == "model_not_found"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
class TestCurl:
    """The two commands of the model card, with its fields."""

    def run(self, *arguments: str) -> list[Image.Image]:
        said = subprocess.check_output(["curl", "-sS", "--noproxy", "*", "--fail-with-body", *arguments], text=True)
        return pictures(ImagesResponse.model_validate(json.loads(said)))

    def test_text_to_image(self, url: str) -> None:
        fields = {"model": MODEL, "prompt": PROMPT, "n": 1, "response_format": "b64_json", "size": "1024x1024"}
        head = ("-H", "Content-Type: application/json")
        (picture,) = self.run(f"{url}/v1/images/generations", *head, "-d", json.dumps(fields))
        assert picture.size == (1024, 1024)

    def test_image_to_image(self, url: str, tmp_path: Path) -> None:
        file = tmp_path / "cond.jpg"
        Image.new("RGB", (512, 512), "teal").save(file)
        fields = {"model": MODEL, "prompt": PROMPT, "image": f"@{file}", "response_format": "b64_json"}
        form = [part for name, value in fields.items() for part in ("-F", f"{name}={value}")]
        (picture,) = self.run(f"{url}/v1/images/edits", *form, "-F", "size=1024x1024")
        assert picture.size == (1024, 1024)
