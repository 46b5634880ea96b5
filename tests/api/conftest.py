"""An API over the real stores of `tests.fixtures.servers`; hints that no script sends are counted instead."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.quotas import Quotas
from api.readiness import Readiness
from api.services import Services
from shared.celery_app import make_celery
from shared.egress.client import EgressClient
from shared.egress.images import ImageFetcher
from shared.egress.rules import LOOPBACK, EgressRules
from shared.hints.message import hint_message
from shared.hints.queues import Queue, celery_list
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.access.capacity import Capacity
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.access.rate_limits import RateLimits
from shared.store.audit.audit import AuditStore
from shared.store.batches.batches import BatchStore
from shared.store.copies.buckets import BucketStore
from shared.store.copies.sealing_keys import SealingKeys
from shared.store.core.connect import Client
from shared.store.core.durability import Durability
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.ledger import LedgerStore
from shared.store.core.object_writes import ObjectWrites
from shared.store.endpoints.endpoints import EndpointStore
from shared.store.faults.dead_letters import DeadLetterStore
from shared.store.files.files import FileStore
from shared.store.idempotency.lost_responses import UndeliveredStore
from shared.store.idempotency.requests import IdempotencyStore
from shared.store.inputs.inputs import InputStore
from shared.store.jobs.activity import ActivityStore
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.watch import EventHub
from shared.store.models.models import ModelStore
from shared.store.pauses.pauses import PauseStore
from shared.store.queues.requeue import RequeueStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.queues.workers import WorkerStore
from shared.store.tenants.erasure import ErasureStore
from shared.store.tenants.retention import RetentionStore
from shared.store.tenants.tenants import TenantList
from shared.store.usage.usage import UsageStore
from shared.store.webhooks.log import WebhookLog
from shared.store.webhooks.resends import ResendStore
from shared.webhooks.signing_key import SigningKey
from tests.fixtures.url_rules import RuleCompiledOnce

Flask.url_rule_class = RuleCompiledOnce  # some 1,250 tests make an app each
SIGNING_KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
SSL_CONTEXT = httpx.create_ssl_context()  # reading the CAs takes 25 ms
SECRET = "whsec_" + "dGhlIHRlbmFudCdz" * 3


@dataclass
class CountedHints:
    """Stands in for `shared.store.queues.hints.Hints`."""

    sent: list[Queue] = field(default_factory=list)

    def send_one(self, queue: Queue) -> None:
        self.sent.append(queue)

    def top_up(self, queue: Queue) -> None:
        self.sent.append(queue)


MESSAGES = {queue: hint_message(make_celery("redis://127.0.0.1"), queue) for queue in Queue}


def hinted(client: Client) -> list[Queue]:
    """A queue for each hint that went out with a new job."""
    return [queue for queue in Queue for _ in range(client.llen(celery_list(queue)))]


@pytest.fixture
def store(client: Client, objects: ObjectStore) -> JobStore:
    return JobStore(client, hints=MESSAGES, objects=objects)


@pytest.fixture
def hints() -> CountedHints:
    return CountedHints()


def image_fetcher(settings: Settings, keys: KeyRing) -> ImageFetcher:
    """Returns the fetcher of `ImageFetcher.of`, with the SSL context that all tests share."""
    client = EgressClient(EgressRules.of(settings, keys.is_open), ssl_context=SSL_CONTEXT)
    return ImageFetcher(client, settings.fetch_timeout_s, settings.max_fetched_bytes, settings.max_body_bytes)


@pytest.fixture
def house(
    client: Client, store: JobStore, objects: ObjectStore, s3_settings: Settings, hints: CountedHints
) -> Iterator[Services]:
    settings = s3_settings.model_copy(
        update={
            "max_body_bytes": 3_000_000,
            "max_image_pixels": 4_000_000,
            "egress_allow_while_open": LOOPBACK,
        }
    )
    letters, capacity = DeadLetterStore(client), Capacity(client, settings)
    keys, rate_limits = KeyRing(KeyStore(client), ttl_s=0), RateLimits(client)
    fetcher = image_fetcher(settings, keys)
    durability, hub = Durability("always", 0.0), EventHub(client)
    stores = (store, letters, objects, hints, SECRET, capacity, durability, fetcher, keys, rate_limits, hub)
    stores = (*stores, ActivityStore(client))
    later = (IdempotencyStore(client, kept_for_s=60), UndeliveredStore(client), FileStore(client))
    later = (*later, BatchStore(client), ThroughputStore(client), WorkerStore(client))
    webhooks = (EndpointStore(client), WebhookLog(client), ResendStore(client), SIGNING_KEY, FaultCounts(client))
    webhooks = (
        *webhooks,
        LedgerStore(client),
        ObjectWrites(client),
        InputStore(client),
        RetentionStore(client),
        ErasureStore(client),
        AuditStore(client, settings.audit_retention_s, settings.max_audit_entries),
        PauseStore(client),
        UsageStore(client),
        RequeueStore(client),
        ModelStore(client),
        BucketStore(client),
        TenantList(client),
        SealingKeys(client, "api", settings),
    )
    yield Services(settings, *stores, *later, *webhooks, Quotas.of(settings), readiness=Readiness(ttl_s=0))
    hub.close()


@pytest.fixture
def http(house: Services) -> Iterator[FlaskClient]:
    with create_app(house).test_client() as client:
        yield client


def with_settings(house: Services, **changes: Any) -> FlaskClient:
    """A client of the same service with other settings."""
    settings = house.settings.model_copy(update=changes)
    fetcher = image_fetcher(settings, house.keys)
    changed = replace(house, settings=settings, fetcher=fetcher, quotas=Quotas.of(settings))
    return create_app(changed).test_client()
