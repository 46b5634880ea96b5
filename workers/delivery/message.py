"""What is sent for a delivery: to which URL, with which body, signed by whom. Sends nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.batches.batch import BatchId, BatchSpec
from shared.errors import EndpointNotFound, JobNotFound
from shared.jobs.job import Job
from shared.jobs.responses import job_answer
from shared.jobs.spec import JobSpec
from shared.settings.settings import Settings
from shared.store.batches.batches import BatchStore
from shared.store.endpoints.endpoints import EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.webhooks.deliveries import Delivery
from shared.webhooks.endpoints import EndpointId
from shared.webhooks.events import PayloadStyle
from shared.webhooks.payload import payload
from shared.webhooks.secrets import secret_of, webhook_secret
from shared.webhooks.signing import signed_headers
from shared.webhooks.signing_key import SigningKey


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request, ready to be sent."""

    url: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class _Receiver:
    url: str
    style: PayloadStyle
    secrets: tuple[str, ...]
    headers: Mapping[str, str]


class Composer:
    """Reads job, batch and endpoint at every attempt: a change counts at once, and so does a deletion."""

    def __init__(self, jobs: JobStore, batches: BatchStore, endpoints: EndpointStore, settings: Settings) -> None:
        self._jobs = jobs
        self._batches = batches
        self._endpoints = endpoints
        self._settings = settings
        self._secret = webhook_secret(settings)
        self._key = SigningKey.of(settings)

    def compose(self, delivery: Delivery) -> Outgoing:
        """Signed as of now. Raises `JobNotFound`, `BatchNotFound` or `EndpointNotFound` when it is deleted."""
        now = datetime.now(UTC)
        endpoint_id = delivery.endpoint_id
        receiver = self._endpoint(endpoint_id, now) if endpoint_id else self._own_receiver(self._spec(delivery))
        event = (delivery.event_type, delivery.happened_at, delivery.sequence)
        body = payload(*event, receiver.style, self._data(delivery, receiver.style))
        key = self._key.of_tenant(delivery.tenant)
        signed = signed_headers(delivery.message_id, now, body, receiver.secrets, key)
        return Outgoing(receiver.url, {**receiver.headers, "content-type": "application/json", **signed}, body)

    def _endpoint(self, endpoint_id: EndpointId, now: datetime) -> _Receiver:
        found = self._endpoints.endpoint_of_any_tenant(endpoint_id)
        if found is None:
            raise EndpointNotFound(f"no webhook endpoint {endpoint_id}")
        return _Receiver(found.url, found.payload, found.secrets_at(now), found.headers)

    def _own_receiver(self, spec: JobSpec | BatchSpec) -> _Receiver:
        assert spec.webhook_url
        secret = spec.webhook_secret or secret_of(spec.tenant, self._secret)
        return _Receiver(spec.webhook_url, spec.webhook_payload, (secret,), {})

    def _data(self, delivery: Delivery, style: PayloadStyle) -> Mapping[str, Any]:
        if delivery.data:
            told: Mapping[str, Any] = json.loads(delivery.data)
            return told
        if style is PayloadStyle.THIN:
            return {"id": delivery.job_id}
        return job_answer(self._job(delivery), self._settings.public_url, self._settings.served_model_name)

    def _spec(self, delivery: Delivery) -> JobSpec | BatchSpec:
        """Of what brought a URL of its own."""
        if delivery.job_id:
            return self._job(delivery).spec
        return self._batches.batch_of_any_tenant(BatchId(json.loads(delivery.data)["id"])).spec

    def _job(self, delivery: Delivery) -> Job:
        if delivery.job_id is None:
            raise JobNotFound(f"{delivery.message_id} tells of no job")
        return self._jobs.job_of_any_tenant(delivery.job_id)
