"""Composition root of a delivery worker: `python -m workers.delivery`."""

import threading

from shared.celery_app import make_celery
from shared.egress.client import EgressClient
from shared.egress.rules import EgressRules
from shared.hints import Hints
from shared.ids import Revision, new_worker_id
from shared.objects import open_objects
from shared.queues import Queue
from shared.settings import Settings
from shared.store.connect import connect, connect_hasty
from shared.store.deliveries import DeliveryStore
from shared.store.jobs import JobStore
from shared.store.leases import Announcement, LeaseRules, LeaseStore
from shared.store.upkeep import UpkeepStore
from workers.delivery.service import DeliveryService
from workers.delivery.webhook import WebhookSender
from workers.engine.heartbeat import Heartbeat
from workers.hint_edge import on_hint
from workers.serving import serve

_SLOTS = 16  # deliveries wait on receivers, not on a processor


def run(settings: Settings) -> None:
    """Serves hints until SIGTERM; deliveries under way finish first, their time-out bounds the wait."""
    client = connect(settings.redis_url, settings.durability)
    service = DeliveryService(
        deliveries=DeliveryStore(client, lease_ttl_s=2 * settings.webhook_timeout_s),
        jobs=JobStore(client),
        objects=open_objects(settings, is_hasty=True),
        sender=WebhookSender(EgressClient(EgressRules.of(settings)), settings.webhook_timeout_s),
        settings=settings,
    )
    assert settings.redis_url
    app = make_celery(settings.redis_url)
    hints = Hints(app, UpkeepStore(client))
    rules = LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min)
    leases = LeaseStore(connect_hasty(settings.redis_url, settings.lease_ttl_s / 4), rules)
    worker = Announcement(new_worker_id("delivery"), Queue.DELIVERY, _SLOTS, Revision(""))
    stopping = threading.Event()

    def take() -> None:
        if not stopping.is_set() and service.deliver_one():
            hints.send_one(Queue.DELIVERY)

    on_hint(app, Queue.DELIVERY, take)
    heartbeat = Heartbeat(
        lambda _: dict.fromkeys(leases.beat(worker, []), True),
        held=list,
        revoke=lambda _: None,
        is_alive=lambda _: True,
        on_hang=lambda: None,
        interval_s=settings.lease_ttl_s / 3,
    )
    heartbeat.start()
    serve(app, Queue.DELIVERY, _SLOTS, settings.ready_file, stopping.set)
    heartbeat.stop()
    leases.leave(worker)
