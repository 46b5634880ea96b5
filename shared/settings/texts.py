"""Defines the settings of text checks, which read the text in finished pictures. `Settings` includes them."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class TextSettings(BaseSettings):
    """The settings of text checks. docs/text_check.md explains them."""

    text_reader: Literal["none", "tesseract", "hook"] = Field(
        default="none",
        description="how the text in pictures is read, for requests with `text_check`. 'tesseract': by this program on "
        "the machines of the delivery processes. 'hook': by GRIDPRESS_TEXT_HOOK_URL. 'none': such requests are "
        "refused. API, batch and delivery processes need the same value",
    )
    text_languages: str = Field(
        default="eng",
        pattern=r"^[A-Za-z0-9_/-]+(\+[A-Za-z0-9_/-]+)*$",
        description="languages in which Tesseract reads, such as eng+chi_sim",
    )
    text_hook_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="URL of the hook that reads the text in a picture. Its requests are signed and limited as those of "
        "content hooks (GRIDPRESS_CONTENT_HOOK_SECRET, ..._TIMEOUT_S, ..._ATTEMPTS, ..._IMAGES)",
    )
    text_timeout_s: float = Field(
        default=60.0, gt=0, le=600, description="time limit for Tesseract to read one picture"
    )
    text_slots: int = Field(
        default=2, ge=1, description="maximum number of pictures that one delivery process reads at once"
    )
