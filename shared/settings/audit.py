"""Defines the settings of the audit log. `Settings` includes them."""

from pydantic import Field
from pydantic_settings import BaseSettings


class AuditSettings(BaseSettings):
    """The settings of the audit log, which records the acts of administrators and operators."""

    audit_retention_s: int = Field(
        default=400 * 24 * 3600, gt=0, description="time for which an entry of the audit log is kept"
    )
    max_audit_entries: int = Field(
        default=10_000,
        ge=1,
        description="maximum number of entries of the audit log for the acts of one tenant. Beyond it the oldest are "
        "deleted, so that no tenant can displace the entries of others",
    )
