"""Composition root of an enhancement worker: `python -m workers.enhance`."""

import threading

from shared.errors import Misconfigured
from shared.hints.celery_app import make_celery
from shared.hints.queues import Queue
from shared.hints.send import Hints
from shared.ids import Revision, new_worker_id
from shared.settings.settings import Settings
from shared.store.core.connect import connect
from shared.store.enhancements.enhancements import EnhancementStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from workers.consumer.health import Hearing
from workers.consumer.hints import on_hint
from workers.consumer.serving import Served, serve
from workers.engine.heartbeat import Heartbeat
from workers.enhance.endpoint import ChatEndpoint
from workers.enhance.service import EnhanceService

_LEASE_MARGIN_S = 5.0  # beyond a call that takes all its time: to write, on a busy machine


def run(settings: Settings) -> None:
    """Serves hints until SIGTERM, then finishes the calls under way; their time-out bounds the wait."""
    endpoint = chat_endpoint(settings)
    client = connect(settings.redis_url, settings.durability)
    worker = Announcement(new_worker_id("enhance"), Queue.ENHANCE, settings.enhance_slots, Revision(""))
    enhancements = EnhancementStore(client, settings.enhance_timeout_s + _LEASE_MARGIN_S, worker.worker_id)
    service = EnhanceService(enhancements, endpoint, settings.enhance_attempts, settings.max_prompt_chars)
    assert settings.redis_url
    app = make_celery(settings.redis_url)
    hints = Hints(app, UpkeepStore(client))
    leases = LeaseStore(client, LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min))
    stopping = threading.Event()

    hearing = Hearing(settings.enhance_slots, Queue.ENHANCE)

    def take() -> bool:
        if stopping.is_set() or not service.enhance_one():
            return False
        hints.send_one(Queue.AR)
        hints.send_one(Queue.ENHANCE)
        return True

    on_hint(app, Queue.ENHANCE, take, hearing)
    heartbeat = Heartbeat(
        lambda _: dict.fromkeys(leases.beat(worker, [], signs=hearing.signs()), True),
        held=list,
        revoke=lambda _: None,
        is_alive=lambda _: True,
        on_hang=lambda: None,
        interval_s=settings.lease_ttl_s / 3,
    )
    heartbeat.start()
    serve(app, Served(worker, hearing, take, stopping.set), settings.ready_file)
    heartbeat.stop()
    leases.leave(worker)
    endpoint.close()


def chat_endpoint(settings: Settings) -> ChatEndpoint:
    """Makes the chat endpoint of the settings. Raises `Misconfigured` without a URL."""
    if not settings.enhance_base_url:
        raise Misconfigured("no chat endpoint: set GRIDPRESS_ENHANCE_BASE_URL (docs/prompt_enhancement.md)")
    api_key = settings.enhance_api_key.get_secret_value() if settings.enhance_api_key else None
    fields = {**settings.enhance_extra_body, "model": settings.enhance_model}
    return ChatEndpoint(settings.enhance_base_url, api_key, fields, settings.enhance_timeout_s)
