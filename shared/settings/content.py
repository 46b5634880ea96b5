"""Defines the settings of content hooks, which decide whether prompts and pictures are permitted. `Settings` includes
them.
"""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

_URL = r"^https?://"


class ContentSettings(BaseSettings):
    """The settings of content hooks. docs/content_hooks.md explains them."""

    prompt_hook_url: str | None = Field(
        default=None,
        pattern=_URL,
        description="URL of the content hook that decides about each prompt, before the first stage. If unset, prompts "
        "are not checked. All processes need the same value",
    )
    picture_hook_url: str | None = Field(
        default=None,
        pattern=_URL,
        description="URL of the content hook that decides about each picture, before anybody can read it. If unset, "
        "pictures are not checked. All processes need the same value",
    )
    content_hook_secret: SecretStr | None = Field(
        default=None,
        description="secret of the `v1` signatures of requests to content hooks, whsec_... Required if a content hook "
        "is set",
    )
    content_hook_timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="time limit for the verdict of a content hook, with all attempts"
    )
    content_hook_attempts: int = Field(
        default=3, ge=1, le=10, description="maximum number of requests to a content hook for one verdict"
    )
    content_hook_fails: Literal["closed", "open"] = Field(
        default="closed",
        description="what happens if a content hook gives no verdict. 'closed': the job or picture fails, and a retry "
        "checks it again. 'open': it counts as allowed",
    )
    content_hook_images: Literal["auto", "links", "inline"] = Field(
        default="auto",
        description="how content hooks get images. 'links': presigned links to the object store, valid for "
        "GRIDPRESS_S3_PRESIGN_TTL_S. 'inline': base64 in the request. 'auto': links, unless the API streams pictures "
        "(GRIDPRESS_S3_LINKS)",
    )
    content_hook_slots: int = Field(
        default=16, ge=1, description="maximum number of concurrent content checks of one delivery process"
    )
