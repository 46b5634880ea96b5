"""Builds the responses of OpenAI's image routes for a finished job, without the pictures themselves."""

from pydantic import BaseModel, Field

from shared.intake.openai import ImagesRequest
from shared.jobs.job import Job


class InputDetails(BaseModel):
    """The input tokens of a request. They are always zero, because the API has no tokenizer and does not guess."""

    text_tokens: int = 0
    image_tokens: int = 0


class OutputDetails(BaseModel):
    """The output tokens of a request. All of them are tokens of pictures."""

    image_tokens: int
    text_tokens: int = 0


class Usage(BaseModel):
    """The token usage of a request. `output_tokens` counts the decode steps of the AR model, including those for draft
    grids and end tokens.

    Input tokens are not counted.
    """

    input_tokens: int = 0
    input_tokens_details: InputDetails = InputDetails()
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class PictureProperties(BaseModel):
    """The fields of OpenAI's responses that are equal for all pictures of a job."""

    background: str = "opaque"
    output_format: str
    quality: str
    size: str = Field(description="width x height of the finished pictures")


class ImagesHead(PictureProperties):
    """The response of OpenAI's image routes without its field `data`, which has the pictures."""

    created: int
    usage: Usage
    safety_identifier: str | None = None
    warnings: list[str] | None = Field(
        default=None,
        description="a sentence about each field of the request that has no effect; left out if there is none",
    )


def picture_properties(job: Job, asked: ImagesRequest) -> PictureProperties:
    """Returns the properties of the rendered pictures that OpenAI's response states. A requested size of `auto` becomes
    the actual size.
    """
    settings = job.spec.settings
    width, height = settings.delivered_size
    return PictureProperties(
        output_format=settings.output_format, quality=asked.response_quality(settings.quality), size=f"{width}x{height}"
    )


def usage(job: Job, num_pictures: int) -> Usage:
    """Returns the token usage of `num_pictures` pictures of the job, for OpenAI's response."""
    tokens = num_pictures * job.spec.settings.num_decode_steps
    return Usage(output_tokens=tokens, output_tokens_details=OutputDetails(image_tokens=tokens), total_tokens=tokens)


def images_head(job: Job, asked: ImagesRequest) -> ImagesHead:
    """Returns the body of OpenAI's response for a job that succeeded, without the pictures."""
    assert job.finished_at
    return ImagesHead(
        created=int(job.finished_at.timestamp()),
        usage=usage(job, len(job.renders)),
        safety_identifier=asked.safety_identifier or asked.user or None,
        warnings=asked.warnings or None,
        **picture_properties(job, asked).model_dump(),
    )
