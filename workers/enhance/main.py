"""Composition root of an enhancement worker: creates its parts and runs it. `python -m workers.enhance` starts it."""

import threading

from shared.celery_app import make_celery
from shared.errors import Misconfigured
from shared.hints.queues import Queue
from shared.ids import Revision, new_worker_id
from shared.settings.settings import Settings
from shared.store.core.opening import open_store
from shared.store.enhancements.enhancements import EnhancementStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from workers.consumer.health import HintHealth
from workers.consumer.hints import on_hint
from workers.consumer.serving import Served, serve
from workers.engine.heartbeat import Heartbeat
from workers.enhance.endpoint import ChatEndpoint
from workers.enhance.service import EnhanceService

_LEASE_MARGIN_S = 5.0  # A lease lasts this much longer than the call's timeout, for the write on a busy machine.


def run(settings: Settings) -> None:
    """Runs the enhancement worker until SIGTERM, then waits until the calls under way end.

    The timeout of a call limits this wait.
    """
    endpoint = chat_endpoint(settings)
    client = open_store(settings)
    worker = Announcement(new_worker_id("enhance"), Queue.ENHANCE, settings.enhance_slots, Revision(""))
    enhancements = EnhancementStore(client, settings.enhance_timeout_s + _LEASE_MARGIN_S, worker.worker_id)
    service = EnhanceService(enhancements, endpoint, settings.enhance_attempts, settings.max_prompt_chars)
    assert settings.redis_url
    app = make_celery(settings.redis_url)
    hints = Hints(app, UpkeepStore(client))
    leases = LeaseStore(client, LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min))
    stopping = threading.Event()

    hint_health = HintHealth(settings.enhance_slots, Queue.ENHANCE)

    def take() -> bool:
        if stopping.is_set() or not service.enhance_one():
            return False
        hints.send_one(Queue.AR)
        hints.send_one(Queue.ENHANCE)
        return True

    on_hint(app, Queue.ENHANCE, take, hint_health)
    heartbeat = Heartbeat(
        lambda _: dict.fromkeys(leases.beat(worker, [], signs=hint_health.signs()), True),
        held=list,
        revoke=lambda _: None,
        is_alive=lambda _: True,
        on_hang=lambda: None,
        interval_s=settings.lease_ttl_s / 3,
    )
    heartbeat.start()
    serve(app, Served(worker, hint_health, take, stopping.set), settings)
    heartbeat.stop()
    leases.leave(worker)
    endpoint.close()


def chat_endpoint(settings: Settings) -> ChatEndpoint:
    """Returns a client for the chat endpoint in the settings. Raises `Misconfigured` when the settings have no URL."""
    if not settings.enhance_base_url:
        raise Misconfigured("no chat endpoint: set GRIDPRESS_ENHANCE_BASE_URL (docs/prompt_enhancement.md)")
    api_key = settings.enhance_api_key.get_secret_value() if settings.enhance_api_key else None
    fields = {**settings.enhance_extra_body, "model": settings.enhance_model}
    return ChatEndpoint(settings.enhance_base_url, api_key, fields, settings.enhance_timeout_s)
