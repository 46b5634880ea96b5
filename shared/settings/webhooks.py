"""Defines the settings of webhooks. `Settings` includes them."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class WebhookSettings(BaseSettings):
    """The settings with which delivery sends webhooks, and the API's limit of endpoints."""

    webhook_secret: SecretStr | None = Field(
        default=None,
        description="secret of the `v1` signatures of webhooks, whsec_... If unset, it is created once in "
        "GRIDPRESS_DATA_DIR. All processes need the same secret",
    )
    webhook_signing_key: SecretStr | None = Field(
        default=None,
        description="private key of the `v1a` signatures of webhooks, whsk_... If unset, it is created once in "
        "GRIDPRESS_DATA_DIR. All processes need the same key",
    )
    max_webhook_endpoints: int = Field(
        default=50, ge=0, description="maximum number of webhook endpoints of one tenant"
    )
    webhook_timeout_s: float = Field(default=15.0, gt=0, description="timeout of one webhook attempt")
    webhook_slots: int = Field(
        default=1024, ge=1, description="maximum number of concurrent webhook attempts of one process"
    )
    webhook_concurrency: int = Field(
        default=8, ge=1, description="maximum number of concurrent webhook attempts to one receiver"
    )
    webhook_log_s: float = Field(
        default=30 * 24 * 3600.0, gt=0, description="time for which webhook attempts can be read"
    )
