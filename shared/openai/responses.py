"""A finished job as OpenAI's image routes tell it, apart from the pictures themselves."""

from pydantic import BaseModel, Field

from shared.jobs.job import Job
from shared.openai.requests import ImagesRequest


class InputDetails(BaseModel):
    """Always zero: whoever answers has no tokenizer, and guesses nothing."""

    text_tokens: int = 0
    image_tokens: int = 0


class OutputDetails(BaseModel):
    """All of the output is tokens of pictures."""

    image_tokens: int
    text_tokens: int = 0


class Usage(BaseModel):
    """`output_tokens`: decode steps of the AR model, drafts and end tokens included. The input is not counted."""

    input_tokens: int = 0
    input_tokens_details: InputDetails = InputDetails()
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class Look(BaseModel):
    """What all pictures of a job have in common."""

    background: str = "opaque"
    output_format: str
    quality: str
    size: str = Field(description="width x height of the pictures as they are")


class ImagesHead(Look):
    """The answer to a request that waited, before its `data`."""

    created: int
    usage: Usage
    safety_identifier: str | None = None


def look(job: Job, asked: ImagesRequest) -> Look:
    """As it was rendered: a size of `auto` is told as it came out."""
    settings = job.spec.settings
    width, height = settings.delivered_size
    return Look(output_format=settings.output_format, quality=asked.answered_quality, size=f"{width}x{height}")


def usage(job: Job, num_pictures: int) -> Usage:
    """Of so many of the job's pictures."""
    tokens = num_pictures * job.spec.settings.num_decode_steps
    return Usage(output_tokens=tokens, output_tokens_details=OutputDetails(image_tokens=tokens), total_tokens=tokens)


def images_head(job: Job, asked: ImagesRequest) -> ImagesHead:
    """Of a job that succeeded."""
    assert job.finished_at
    return ImagesHead(
        created=int(job.finished_at.timestamp()),
        usage=usage(job, len(job.renders)),
        safety_identifier=asked.safety_identifier or asked.user or None,
        **look(job, asked).model_dump(),
    )
