"""Composition root of a delivery worker: creates its parts and runs it. `python -m workers.delivery` starts it."""

import threading

from celery.signals import worker_ready

from shared.celery_app import make_celery
from shared.egress.client import EgressClient
from shared.egress.rules import EgressRules
from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId, new_worker_id
from shared.metrics.catalogue import WEBHOOK_SLOTS_USED
from shared.objects.store import open_objects
from shared.settings.settings import Settings
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.batches.batches import BatchStore
from shared.store.checks.checks import CheckClaim
from shared.store.core.connect import Client, connect_with_timeout
from shared.store.core.opening import open_store
from shared.store.endpoints.endpoints import EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from shared.store.webhooks.deliveries import DeliveryRules, DeliveryStore
from shared.store.webhooks.manifests import ManifestStore
from workers.consumer.health import HintHealth
from workers.consumer.hints import on_hint
from workers.consumer.sealing import watch_sealing
from workers.consumer.serving import Served, leave_process, serve
from workers.delivery.content.parts import make_runner, make_service
from workers.delivery.content.runner import CheckRunner
from workers.delivery.copies.parts import make_copies
from workers.delivery.dispatcher import Dispatcher
from workers.delivery.manifest import ManifestService
from workers.delivery.message import Composer
from workers.delivery.service import DeliveryService
from workers.delivery.sockets import slots_with_sockets
from workers.delivery.texts.parts import make_text_runner, make_text_service
from workers.delivery.webhook import WebhookSender
from workers.engine.heartbeat import Heartbeat

# Threads that receive hints and write manifests. Webhooks have other threads, so that an object store that hangs does
# not delay them.
_SLOTS = 16
# A lease lasts this much longer than the webhook timeout, for reads and writes of the store on a busy machine.
_LEASE_MARGIN_S = 15.0


def run(settings: Settings) -> None:
    """Runs the delivery worker until SIGTERM.

    Then the webhook attempts under way finish. Deliveries whose attempts exceed the grace period are handed back.
    """
    client = open_store(settings)
    worker = Announcement(new_worker_id("delivery"), Queue.DELIVERY, _SLOTS, Revision(""))
    manifests = ManifestService(
        ManifestStore(client, 2 * settings.webhook_timeout_s, worker.worker_id),
        JobStore(client),
        open_objects(settings, fails_fast=True),
        settings,
    )
    dispatcher = make_dispatcher(client, settings, worker.worker_id)
    WEBHOOK_SLOTS_USED.set_function(lambda: dispatcher.num_under_way)
    assert settings.redis_url
    app = make_celery(settings.redis_url)
    hints = Hints(app, UpkeepStore(client))
    checks = make_checks(client, settings, hints, worker.worker_id)
    texts = make_texts(client, settings, hints, worker.worker_id)
    copies = make_copies(client, settings, hints, worker.worker_id)
    runners = (checks, texts, copies)
    rules = LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min)
    leases = LeaseStore(connect_with_timeout(settings.redis_url, settings.lease_ttl_s / 4), rules)
    stopping = threading.Event()

    hint_health = HintHealth(_SLOTS, Queue.DELIVERY)

    def take() -> bool:
        dispatcher.wake()
        if stopping.is_set() or not manifests.write_one():
            return False
        hints.send_one(Queue.DELIVERY)
        return True

    on_hint(app, Queue.DELIVERY, take, hint_health)
    heartbeat = Heartbeat(
        lambda _: dict.fromkeys(leases.beat(worker, [], signs=hint_health.signs()), True),
        held=list,
        revoke=lambda _: None,
        is_alive=lambda _: True,
        on_hang=lambda: None,
        interval_s=settings.lease_ttl_s / 3,
    )

    def shut_down() -> None:
        stopping.set()
        dispatcher.close()
        for runner in runners:
            runner.close()

    watch_sealing(client, "delivery", settings, stopping)
    heartbeat.start()
    # The dispatcher starts only when SIGTERM is handled. Otherwise an early SIGTERM could not hand attempts back.
    worker_ready.connect(lambda **_: dispatcher.start(), weak=False)
    for runner in runners:
        worker_ready.connect(lambda runner=runner, **_: runner.start(), weak=False)
    serve(app, Served(worker, hint_health, take, shut_down), settings)
    has_ended = dispatcher.stop(settings.drain_grace_s)
    for runner in runners:
        runner.stop()
    heartbeat.stop()
    leases.leave(worker)
    if not has_ended:
        leave_process()


def make_checks(client: Client, settings: Settings, hints: Hints, worker: WorkerId | None = None) -> CheckRunner:
    """Creates and returns the threads that carry out content checks, without starting them.

    Raises `Misconfigured` for a content hook that can't be called.
    """

    def wake(claim: CheckClaim) -> None:
        """Sends hints for what may wait now: a stage after a prompt, and deliveries after the end of the job."""
        if claim.picture is None:
            hints.send_one(Queue.DIT if claim.spec.prior else Queue.AR)
        hints.send_one(Queue.DELIVERY)

    rules = EgressRules.of(settings, KeyRing(KeyStore(client)).is_open)
    objects = open_objects(settings, fails_fast=True)
    return make_runner(make_service(client, objects, rules, settings, worker=worker, on_end=wake), settings)


def make_texts(client: Client, settings: Settings, hints: Hints, worker: WorkerId | None = None) -> CheckRunner:
    """Creates and returns the threads that carry out text checks, without starting them.

    Raises `Misconfigured` if Tesseract is missing, and for a hook that can't be called.
    """

    def wake(is_redrawn: bool) -> None:
        """Sends hints for what may wait now: AR after the decision to redraw, and deliveries after the end of a job."""
        hints.send_one(Queue.AR if is_redrawn else Queue.DELIVERY)

    rules = EgressRules.of(settings, KeyRing(KeyStore(client)).is_open)
    objects = open_objects(settings, fails_fast=True)
    service = make_text_service(client, objects, rules, settings, worker=worker, on_end=wake)
    return make_text_runner(service, settings)


def make_dispatcher(client: Client, settings: Settings, worker: WorkerId | None = None) -> Dispatcher:
    """Creates and returns the webhook dispatcher without starting it.

    Raises `Misconfigured` for settings that allow no delivery.
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
