"""Composes the HTTP request of a webhook delivery: URL, body and signed headers. Does not send it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.batches.batch import BatchId, BatchSpec
from shared.errors import EndpointNotFound, JobNotFound
from shared.jobs.job import Job
from shared.jobs.spec import JobSpec
from shared.responses.job import job_response
from shared.settings.settings import Settings
from shared.store.batches.batches import BatchStore
from shared.store.endpoints.endpoints import EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.webhooks.deliveries import Delivery
from shared.webhooks.endpoints import EndpointId
from shared.webhooks.events import PayloadStyle
from shared.webhooks.secrets import secret_of, webhook_secret
from shared.webhooks.signing_key import SigningKey
from workers.delivery.payload import payload
from workers.delivery.signing import signed_headers


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A webhook request that is ready to be sent."""

    url: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class _Receiver:
    """The URL, payload style, signing secrets and extra headers of a webhook receiver."""

    url: str
    style: PayloadStyle
    secrets: tuple[str, ...]
    headers: Mapping[str, str]


class Composer:
    """Composes the requests of webhook attempts.

    Uses the job as it was when the attempt was leased, and reads the batch or endpoint again for every attempt. So
    changes and deletions take effect at the next attempt.
    """

    def __init__(self, jobs: JobStore, batches: BatchStore, endpoints: EndpointStore, settings: Settings) -> None:
        self._jobs = jobs
        self._batches = batches
        self._endpoints = endpoints
        self._settings = settings
        self._secret = webhook_secret(settings)
        self._key = SigningKey.of(settings)

    def compose(self, delivery: Delivery) -> Outgoing:
        """Returns the request of a delivery, signed with the current time.

        Raises `JobNotFound`, `BatchNotFound` or `EndpointNotFound` when the job, batch or endpoint was deleted.
        """
        now = datetime.now(UTC)
        endpoint_id = delivery.endpoint_id
        receiver = self._endpoint(endpoint_id, now) if endpoint_id else self._receiver_of_request(self._spec(delivery))
        event = (delivery.event_type, delivery.happened_at, delivery.sequence)
        body = payload(*event, receiver.style, self._data(delivery, receiver.style))
        key = self._key.of_tenant(delivery.tenant)
        signed = signed_headers(delivery.message_id, now, body, receiver.secrets, key)
        return Outgoing(receiver.url, {**receiver.headers, "content-type": "application/json", **signed}, body)

    def _endpoint(self, endpoint_id: EndpointId, now: datetime) -> _Receiver:
        """Returns the receiver of a registered endpoint. Raises `EndpointNotFound`."""
        found = self._endpoints.endpoint_of_any_tenant(endpoint_id)
        if found is None:
            raise EndpointNotFound(f"no webhook endpoint {endpoint_id}")
        return _Receiver(found.url, found.payload, found.secrets_at(now), found.headers)

    def _receiver_of_request(self, spec: JobSpec | BatchSpec) -> _Receiver:
        """Returns the webhook receiver that the request of a job or batch named in its `webhook_url`."""
        assert spec.webhook_url
        secret = spec.webhook_secret or secret_of(spec.tenant, self._secret)
        return _Receiver(spec.webhook_url, spec.webhook_payload, (secret,), {})

    def _data(self, delivery: Delivery, style: PayloadStyle) -> Mapping[str, Any]:
        """Returns the `data` field of the webhook body. Depending on the message and the payload style, the field has
        the stored data of the message, only the job's id, or the whole job as the API returns it.
        """
        if delivery.data:
            data: Mapping[str, Any] = json.loads(delivery.data)
            return data
        if style is PayloadStyle.THIN:
            return {"id": delivery.job_id}
        return job_response(self._job(delivery), self._settings.public_url, self._settings.served_model_name)

    def _spec(self, delivery: Delivery) -> JobSpec | BatchSpec:
        """Returns the spec of the job or batch whose request named the webhook URL."""
        if delivery.job_id:
            return self._job(delivery).spec
        return self._batches.batch_of_any_tenant(BatchId(json.loads(delivery.data)["id"])).spec

    def _job(self, delivery: Delivery) -> Job:
        if delivery.job_id is None:
            raise JobNotFound(f"{delivery.message_id} is not about a job")
        return delivery.job or self._jobs.job_of_any_tenant(delivery.job_id)
