"""Defines the settings that limit what one tenant may use of the API. `Settings` includes them."""

from pydantic import Field
from pydantic_settings import BaseSettings


class TenantSettings(BaseSettings):
    """The default limits of a tenant. The operator can give a tenant other limits (docs/access.md)."""

    tenant_connections: int | None = Field(
        default=None,
        ge=1,
        description="maximum number of requests of one tenant that run at once, in all processes of one API. Each "
        "holds a connection. If unset: half of `GRIDPRESS_API_CONNECTIONS`",
    )
    tenant_streams: int | None = Field(
        default=None,
        ge=1,
        description="maximum number of open event streams of one tenant, in all processes of one API. If unset: a "
        "quarter of `GRIDPRESS_API_CONNECTIONS`",
    )
