"""Describes the bucket of a tenant, into which finished pictures are copied, and names the copies. Does no I/O."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from shared.ids import JobId, TenantId

Access = Literal["key", "role", "service"]

_COPIES = r"(job|batch)_[0-9a-z]{26}([0-9a-z_-]*)/"
_JOBS = "jobs/"
_BATCHES = "batches/"
_AWS = (".amazonaws.com", ".amazonaws.com.cn")
_DEFAULT_PORTS = (None, 80, 443)


def server_of(url: str) -> str:
    """Returns the name of the S3 server of a URL: its host in lower case, and the port if it is not the default.

    All servers of AWS have one name, because a bucket of AWS has the same name in every region. China is apart.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if host.endswith(_AWS):
        return "aws-cn" if host.endswith(".cn") else "aws"
    return host if parts.port in _DEFAULT_PORTS else f"{host}:{parts.port}"


@dataclass(frozen=True, slots=True)
class TenantBucket:
    """A bucket, and a prefix in it, that belong to one tenant. `prefix` is '' or ends with a slash.

    `endpoint_url` is None for AWS. With an `access_key`, `sealed_secret` is its encrypted secret key. With a
    `role_arn`, the service assumes that role. With neither, the service uses its own credentials.
    """

    tenant: TenantId
    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key: str | None = None
    sealed_secret: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    updated_at: datetime | None = None

    @property
    def access(self) -> Access:
        """Returns how the service gets access: by an access key, by a role, or by its own credentials."""
        return "key" if self.access_key else "role" if self.role_arn else "service"

    @property
    def address(self) -> str:
        """Returns the URL of the S3 server."""
        return self.endpoint_url or f"https://s3.{self.region}.amazonaws.com"

    @property
    def server(self) -> str:
        """Returns the name of the S3 server, which is the same for all spellings of its URL."""
        return server_of(self.address)

    @property
    def folders(self) -> tuple[str, str]:
        """Returns the folders that hold the copies of jobs and of batches. The tenant may keep other objects beside."""
        return (f"{self.prefix}{_JOBS}", f"{self.prefix}{_BATCHES}")

    def is_copy(self, key: str) -> bool:
        """Returns whether an object is in the folder of one job or batch, and not one of the tenant's other objects."""
        return any(re.match(f"{re.escape(parent)}{_COPIES}", key) for parent in self.folders)

    def folder_of_job(self, job_id: JobId) -> str:
        """Returns the folder for the pictures and the manifest of a job."""
        return f"{self.prefix}{_JOBS}{job_id}/"

    def folder_of_batch(self, batch_id: str) -> str:
        """Returns the folder for the pictures and the result files of a batch."""
        return f"{self.prefix}{_BATCHES}{batch_id}/"

    def location(self, folder: str) -> str:
        """Returns the URI of a folder of this bucket."""
        return f"s3://{self.bucket}/{folder}"
