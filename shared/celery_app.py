"""Creates the Celery app that sends and receives hints (messages that wake workers) through Redis. Its broker settings
were chosen by measurement. Defines no tasks.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from celery import Celery

from shared.hints.queues import CELERY_KEY_PREFIX, Queue
from shared.settings.store_url import Sentinels, is_sentinel, read_sentinels, tls_of
from shared.store.core.connect import CONNECTION_OPTIONS


def make_celery(redis_url: str) -> Celery:
    """Returns the Celery app for the processes that send hints (messages that wake workers), and for the workers that
    receive them. Messages are JSON. Celery's results and retries are off.
    """
    app = Celery("gridpress", set_as_current=False)
    sentinels = read_sentinels(redis_url) if is_sentinel(redis_url) else None
    app.conf.update(
        broker_url=_url_of(sentinels) if sentinels else _plain(redis_url),
        broker_transport=f"shared.hints.broker:{'SentinelTransport' if sentinels else 'Transport'}",
        # Explicit, because for a bare rediss:// URL kombu accepts any certificate.
        broker_use_ssl=tls_of(redis_url) or False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "global_keyprefix": CELERY_KEY_PREFIX,
            "sep": ":",
            **CONNECTION_OPTIONS,
            # A BRPOP returns after 1 s. Without a reply for 3 s more, its connection is dead.
            "health_check_interval": 3,
            **_sentinel_options(sentinels),
        },
        # One Redis list per queue. kombu would emulate priorities with four lists; here the claim decides the order.
        task_queues={},
        task_create_missing_queues=True,
        task_routes={queue.task: {"queue": queue.value} for queue in Queue},
        task_acks_late=True,  # a hint counts as in work until its task ends; no acknowledgement is written (broker.py)
        task_ignore_result=True,
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_enable_prefetch_count_reduction=False,  # otherwise a worker prefetches less after each lost connection
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app


def _plain(url: str) -> str:
    """Returns the URL of a single store server without the scheme and the query of TLS. kombu would interpret them
    differently, so it gets the TLS options separately.
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="redis", query="")) if parts.scheme == "rediss" else url


def _url_of(found: Sentinels) -> str:
    """Returns the broker URL of a store with sentinels, in kombu's syntax: one URL for each sentinel, all with the
    login of the primary.
    """
    login = f"{quote(found.user or '', safe='')}:{quote(found.password or '', safe='')}@"
    hosts = [f"[{host}]" if ":" in host else host for host, _ in found.hosts]
    ports = [port for _, port in found.hosts]
    return ";".join(f"sentinel://{login}{host}:{port}/{found.db}" for host, port in zip(hosts, ports, strict=True))


def _sentinel_options(found: Sentinels | None) -> Mapping[str, Any]:
    if found is None:
        return {}
    times = {name: value for name, value in CONNECTION_OPTIONS.items() if name.startswith("socket_")}
    return {"master_name": found.name, "sentinel_kwargs": {**times, **found.sentinel_options}}
