"""Defines types for values in requests: text that can be stored, times, list cursors and references to images."""

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from shared.access.keys import TENANT_PATTERN, is_tenant
from shared.geometry import SIZE_PATTERN, parse_size
from shared.webhooks.secrets import WHAT_IT_IS, is_webhook_secret

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LONGEST_KEPT_S = 366 * 24 * 3600
MAX_TIMEOUT_S = 30 * 24 * 3600  # far longer than any queue; a larger value is probably a mistake of units


class FileReference(TypedDict):
    """A reference to one of the caller's files by its id."""

    file_id: str


def _storable(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("surrogate", "must not contain lone surrogates") from error
    return text


def not_blank(text: str) -> str:
    """Returns the text unchanged. Raises an error of pydantic if the text is empty or has only white space."""
    if not text.strip():
        raise PydanticCustomError("blank", "must not be empty")
    return text


def _rfc3339(text: object) -> object:
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise PydanticCustomError("rfc3339", "must be a time with its offset, such as 2026-01-05T09:30:00Z")
    return text


def _in_utc(moment: datetime) -> datetime:
    """Returns the time in UTC. Raises an error of pydantic if its UTC form lies outside the years 1 to 9999."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("year", "must be a time of the years 1 to 9999 in UTC") from error


def _signing_key(text: str) -> str:
    if not is_webhook_secret(text):
        raise PydanticCustomError("webhook_secret", WHAT_IT_IS)
    return text


def _file_id(image: object) -> object:
    """Returns the id in `{"file_id": "file-..."}`, OpenAI's form of a file reference. Other values are returned
    unchanged.
    """
    return image["file_id"] if isinstance(image, dict) and image.keys() == {"file_id"} else image


def _tenant(text: str) -> str:
    if not is_tenant(text):
        raise PydanticCustomError("tenant", "must be up to 63 of a-z 0-9 _ . - with a letter or digit first")
    return text


def _day(text: object) -> object:
    if not isinstance(text, str) or not _DAY.fullmatch(text):
        raise PydanticCustomError("day", "must be a day, such as 2026-01-05")
    return text


def _size(text: str) -> str:
    """Returns a picture size in the form `1152x1024`, in which it is stored and returned."""
    try:
        width, height = parse_size(text)
    except ValueError as error:
        raise PydanticCustomError("size", "{why}", {"why": str(error)}) from error
    return f"{width}x{height}"


Text = Annotated[str, AfterValidator(_storable)]
Tenant = Annotated[
    Text, AfterValidator(_tenant), Field(examples=["acme"], json_schema_extra={"pattern": TENANT_PATTERN})
]
Day = Annotated[date, BeforeValidator(_day), Field(strict=False)]
Size = Annotated[str, AfterValidator(_size), Field(examples=["1152x1024"], json_schema_extra={"pattern": SIZE_PATTERN})]
ImageInput = Annotated[
    Text,
    AfterValidator(str.strip),
    BeforeValidator(_file_id, json_schema_input_type=str | FileReference),
]
MetadataKey = Annotated[Text, Field(min_length=1, max_length=64)]
MetadataValue = Annotated[Text, Field(max_length=512)]
Side = Annotated[int, Field(description="pixels; a multiple of 32 from 256 to 2048, with a ratio of the sides up to 4")]

Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc), Field(strict=False)]
# The id of an entry in a Redis stream: two numbers below 2^64. Every number of 19 digits is below 2^64.
StreamId = Annotated[str, Field(pattern=r"^[0-9]{1,19}-[0-9]{1,19}$", examples=["1767605400000-0"])]
Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S, allow_inf_nan=False)]
# Seconds from the end of a job to its deletion. A webhook and a download need some time.
DeleteAfter = Annotated[int, Field(ge=60, le=LONGEST_KEPT_S)]
SigningKey = Annotated[
    Text, AfterValidator(_signing_key), Field(json_schema_extra={"pattern": "^whsec_[A-Za-z0-9+/]{32,88}={0,2}$"})
]
