"""Gives the credentials for the bucket of a tenant: an access key, an assumed role, or those of the service."""

from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, Credentials, DeferredRefreshableCredentials
from botocore.exceptions import NoCredentialsError
from botocore.loaders import create_loader

from shared.errors import Misconfigured
from shared.objects.sealing import Sealing
from shared.objects.tenant_bucket import TenantBucket
from shared.settings.settings import Settings

_STS = Config(connect_timeout=5, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})

# The model of S3 takes megabytes and a tenth of a second to read. All clients share it.
_LOADER = create_loader()


@dataclass(frozen=True, slots=True)
class BucketCredentials:
    """Makes sessions of botocore with the credentials for one bucket.

    Without `sealing`, the key is read when a secret key is first needed: it may not exist before the first bucket.
    """

    settings: Settings
    sealing: Sealing | None = None

    def session_of(self, place: TenantBucket) -> Any:
        """Returns a session with the credentials for a bucket. The credentials of a role are fetched with the first
        request, and again before they expire.

        Raises `SealBroken` if the secret key can't be decrypted, `Misconfigured` without a sealing key, and
        `NoCredentialsError` if the service has no credentials of its own and needs them.
        """
        session = botocore.session.Session()
        session.register_component("data_loader", _LOADER)
        if place.access_key:
            assert place.sealed_secret
            sealing = self.sealing or Sealing.found(self.settings)
            if sealing is None:
                raise Misconfigured("set GRIDPRESS_SEALING_KEY as for the API: this process has no sealing key")
            session.set_credentials(place.access_key, sealing.open(place.sealed_secret, place.tenant))
        elif place.role_arn:
            session._credentials = self._of_role(session, place)
        elif own := self._own():
            session.set_credentials(own.access_key, own.secret_key)
        elif session.get_credentials() is None:  # searched now, which may ask the machine
            raise NoCredentialsError
        return session

    def _own(self) -> Credentials | None:
        """Returns the access key of the service from the settings. Returns None without one: botocore then searches."""
        key, secret = self.settings.s3_access_key, self.settings.s3_secret_key
        return Credentials(key, secret.get_secret_value()) if key and secret else None

    def _of_role(self, session: Any, place: TenantBucket) -> DeferredRefreshableCredentials:
        """Returns the credentials of the role of a bucket. The session name tells the bucket's owner who writes."""
        extra = {"RoleSessionName": f"gridpress-{place.tenant}"[:64]}
        if place.external_id:
            extra["ExternalId"] = place.external_id
        source = self._own() or session.get_credentials()
        if source is None:
            raise NoCredentialsError
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=lambda _, **given: self._sts_client(place, **given),
            source_credentials=source,
            role_arn=place.role_arn,
            extra_args=extra,
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")

    def _sts_client(self, place: TenantBucket, **given: Any) -> Any:
        """Returns a client of STS. Its address comes from the settings of the service, never from a tenant."""
        url = self.settings.sts_endpoint_url
        return boto3.Session().client("sts", region_name=place.region, endpoint_url=url, config=_STS, **given)
