"""Batches by the unmodified `openai` client."""

import json

import openai

from tests.workers.batches.shop import Shop, some_lines


def test_a_batch_from_upload_to_output(shop: Shop) -> None:
    lines = some_lines(20, "/v1/images/generations", model="GLM-image", style="vivid")
    with shop.openai() as client:
        file = client.files.create(file=("in.jsonl", lines), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/images/generations",
            completion_window="24h",
            metadata={"for": "a test"},
        )
        assert batch.status == "validating"
        shop.run(batch.model_dump())
        batch = client.batches.retrieve(batch.id)
        assert (batch.status, batch.metadata) == ("completed", {"for": "a test"})
        assert batch.request_counts
        assert batch.request_counts.total == batch.request_counts.completed == 20
        assert batch.output_file_id
        assert batch.error_file_id is None
        text = client.files.content(batch.output_file_id).text
        results = [json.loads(line) for line in text.splitlines()]
        assert {line["custom_id"] for line in results} == {f"line-{number}" for number in range(20)}
        answer = openai.types.ImagesResponse.model_validate(results[0]["response"]["body"])
        assert [text.partition(" ")[0] for text in results[0]["response"]["body"]["warnings"]] == ["style"]
        assert answer.data
        assert answer.data[0].url
        assert answer.data[0].b64_json is None
        assert [found.id for found in client.batches.list()] == [batch.id]
