"""Keeps the clients of tenants' buckets that a process used last."""

import threading
from collections import OrderedDict
from typing import Self

from shared.egress.client import EgressClient
from shared.ids import TenantId
from shared.objects.bucket_client import BucketClient
from shared.objects.bucket_credentials import BucketCredentials
from shared.objects.bucket_errors import BucketRefused
from shared.objects.own_bucket import is_own_bucket
from shared.objects.sealing import Sealing
from shared.objects.tenant_bucket import TenantBucket
from shared.settings.settings import Settings

_MOST = 64


class BucketClients:
    """Makes the clients of tenants' buckets. A tenant whose bucket has changed gets a new client. Thread-safe."""

    def __init__(self, egress: EgressClient, credentials: BucketCredentials) -> None:
        self._egress = egress
        self._credentials = credentials
        self._kept: OrderedDict[TenantId, BucketClient] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Settings, egress: EgressClient) -> Self:
        """Creates them from the settings. Raises `Misconfigured` for an invalid sealing key."""
        return cls(egress, BucketCredentials(settings, Sealing.given(settings)))

    def client_of(self, place: TenantBucket) -> BucketClient:
        """Returns the client of a bucket. Raises `BucketRefused` if its secret key can't be decrypted.

        It also raises `BucketRefused` for the bucket of the service itself. The API refuses it, but an earlier release
        may have stored it, and the erasure of one tenant's copies would delete the pictures of all tenants.
        """
        if is_own_bucket(place, self._credentials.settings):
            raise BucketRefused("it is the bucket of the service itself", "bucket")
        with self._lock:
            known = self._kept.get(place.tenant)
        if known is None or known.place != place:
            known = BucketClient(place, self._egress, self._credentials)
        with self._lock:
            self._kept[place.tenant] = known
            self._kept.move_to_end(place.tenant)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return known
