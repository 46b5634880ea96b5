"""Defines the settings of prompt enhancement. `Settings` includes them."""

from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class EnhancementSettings(BaseSettings):
    """The settings with which a chat API enhances prompts (docs/prompt_enhancement.md)."""

    enhance_base_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="base URL of an OpenAI-compatible chat API that enhances prompts, without /chat/completions. "
        "If unset, requests for prompt enhancement are refused",
    )
    enhance_api_key: SecretStr | None = Field(
        default=None, description="API key for the chat API that enhances prompts"
    )
    enhance_model: str = Field(default="glm-4.7", description="name of the language model that enhances prompts")
    enhance_extra_body: dict[str, Any] = Field(
        default={},
        description='JSON object that is added to every request to the chat API, such as {"thinking": {"type": '
        '"disabled"}}',
    )
    enhance_timeout_s: float = Field(default=20.0, gt=0, description="timeout of one call to the chat API")
    enhance_attempts: int = Field(
        default=2,
        ge=1,
        description="maximum number of calls for one job. After the last failed call, the job renders its "
        "original prompt",
    )
    enhance_slots: int = Field(
        default=32, ge=1, description="maximum number of concurrent calls of one process to the chat API"
    )
    enhance_patience_s: float = Field(
        default=60.0,
        gt=0,
        description="longest time that a job waits while no process enhances prompts. After that it renders its "
        "original prompt",
    )
