"""Composition root of a delivery worker: `python -m workers.delivery`."""

import threading

from celery.signals import worker_ready

from shared.egress.client import EgressClient
from shared.egress.rules import EgressRules
from shared.hints.celery_app import make_celery
from shared.hints.queues import Queue
from shared.hints.send import Hints
from shared.ids import Revision, WorkerId, new_worker_id
from shared.metrics.catalogue import WEBHOOK_SLOTS_USED
from shared.objects.store import open_objects
from shared.settings.settings import Settings
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client, connect, connect_hasty
from shared.store.endpoints.endpoints import EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from shared.store.webhooks.deliveries import DeliveryRules, DeliveryStore
from shared.store.webhooks.manifests import ManifestStore
from workers.consumer.health import Hearing
from workers.consumer.hints import on_hint
from workers.consumer.serving import Served, leave_process, serve
from workers.delivery.dispatcher import Dispatcher
from workers.delivery.manifest import ManifestService
from workers.delivery.message import Composer
from workers.delivery.service import DeliveryService
from workers.delivery.sockets import slots_with_sockets
from workers.delivery.webhook import WebhookSender
from workers.engine.heartbeat import Heartbeat

# Threads that take hints and write manifests. Webhooks have threads of their own: an object store that hangs must not
# hold them up.
_SLOTS = 16
_LEASE_MARGIN_S = 15.0  # beyond an attempt that takes all its time: to read and write, on a busy machine


def run(settings: Settings) -> None:
    """Serves hints until SIGTERM. Attempts under way then finish, or are handed back after the grace period."""
    client = connect(settings.redis_url, settings.durability)
    worker = Announcement(new_worker_id("delivery"), Queue.DELIVERY, _SLOTS, Revision(""))
    manifests = ManifestService(
        ManifestStore(client, 2 * settings.webhook_timeout_s, worker.worker_id),
        JobStore(client),
        open_objects(settings, is_hasty=True),
        settings,
    )
    dispatcher = make_dispatcher(client, settings, worker.worker_id)
    WEBHOOK_SLOTS_USED.set_function(lambda: dispatcher.num_under_way)
    assert settings.redis_url
    app = make_celery(settings.redis_url)
    hints = Hints(app, UpkeepStore(client))
    rules = LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min)
    leases = LeaseStore(connect_hasty(settings.redis_url, settings.lease_ttl_s / 4), rules)
    stopping = threading.Event()

    hearing = Hearing(_SLOTS, Queue.DELIVERY)

    def take() -> bool:
        dispatcher.wake()
        if stopping.is_set() or not manifests.write_one():
            return False
        hints.send_one(Queue.DELIVERY)
        return True

    on_hint(app, Queue.DELIVERY, take, hearing)
    heartbeat = Heartbeat(
        lambda _: dict.fromkeys(leases.beat(worker, [], signs=hearing.signs()), True),
        held=list,
        revoke=lambda _: None,
        is_alive=lambda _: True,
        on_hang=lambda: None,
        interval_s=settings.lease_ttl_s / 3,
    )

    def shut_down() -> None:
        stopping.set()
        dispatcher.close()

    heartbeat.start()
    # Not earlier: what is sent before SIGTERM is heard could not be handed back.
    worker_ready.connect(lambda **_: dispatcher.start(), weak=False)
    serve(app, Served(worker, hearing, take, shut_down), settings.ready_file)
    has_ended = dispatcher.stop(settings.drain_grace_s)
    heartbeat.stop()
    leases.leave(worker)
    if not has_ended:
        leave_process()


def make_dispatcher(client: Client, settings: Settings, worker: WorkerId | None = None) -> Dispatcher:
    """Composes the dispatcher of webhooks, without starting it. Raises `Misconfigured` for settings that allow no
    delivery.
    """
    rules = DeliveryRules(
        lease_ttl_s=settings.webhook_timeout_s + _LEASE_MARGIN_S,
        concurrency=settings.webhook_concurrency,
        log_s=settings.webhook_log_s,
    )
    deliveries = DeliveryStore(client, rules, worker)
    composer = Composer(JobStore(client), BatchStore(client), EndpointStore(client), settings)
    sender = WebhookSender(EgressClient(EgressRules.of(settings, KeyRing(KeyStore(client)).is_open)))
    service = DeliveryService(deliveries, composer, sender, settings.webhook_timeout_s)
    return Dispatcher(deliveries, service.carry_out, slots_with_sockets(settings.webhook_slots))
