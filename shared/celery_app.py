"""Creates the Celery app that sends and receives hints (messages that wake workers) through Redis. Its broker settings
were chosen by measurement. Defines no tasks.
"""

from typing import Any
from urllib.parse import quote

from celery import Celery

from shared.errors import Misconfigured
from shared.hints.broker_connection import BrokerMessages
from shared.hints.queues import CELERY_KEY_PREFIX, Queue
from shared.settings.settings import Settings
from shared.settings.store_url import Sentinels, Server, read_store_url
from shared.store.core.connect import CONNECTION_OPTIONS

# Options of a store URL that apply to the broker, too. Its pool and its health check keep their own values.
_KOMBU_OPTIONS = frozenset(
    {"client_name", "retry_on_timeout", "socket_connect_timeout", "socket_keepalive", "socket_timeout"}
)
_FURTHER_OPTIONS = frozenset({"protocol", "socket_read_size"})


def __getattr__(name: str) -> Any:
    """Makes the Celery app for Celery's own command, which asks this module for `app`: `celery -A shared.celery_app`.

    The roles call `make_celery` instead, so an import alone reads no settings.
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    url = Settings().redis_url
    if not url:
        raise Misconfigured("no job store: set GRIDPRESS_REDIS_URL or GRIDPRESS_REDIS_URL_FILE")
    return make_celery(url)


def make_celery(redis_url: str) -> Celery:
    """Returns the Celery app for the processes that send hints (messages that wake workers), and for the workers that
    receive them. Messages are JSON. Celery's results and retries are off.
    """
    app = Celery("gridpress", amqp=BrokerMessages, set_as_current=False)
    found = read_store_url(redis_url)
    app.conf.update(
        broker_url=_url_of(found),
        broker_transport=f"shared.hints.broker:{_transport_of(found)}",
        # Explicit, because for a bare rediss:// URL kombu accepts any certificate.
        broker_use_ssl=found.tls or False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "global_keyprefix": CELERY_KEY_PREFIX,
            "sep": ":",
            **CONNECTION_OPTIONS,
            # A BRPOP returns after 1 s. Without a reply for 3 s more, its connection is dead.
            "health_check_interval": 3,
            **_options_of(found),
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


def _url_of(found: Server | Sentinels) -> str:
    """Returns the broker URL in kombu's syntax, without TLS and without options, because kombu would interpret them
    differently. Sentinels become one URL for each sentinel, all with the login of the primary.
    """
    user, password = (quote(text or "", safe="") for text in (found.user, found.password))
    login = f"{user}:{password}@" if user or password else ""
    if isinstance(found, Server):
        return f"redis://{login}{_bracketed(found.host)}:{found.port}/{found.db}"
    return ";".join(f"sentinel://{login}{_bracketed(host)}:{port}/{found.db}" for host, port in found.hosts)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _transport_of(found: Server | Sentinels) -> str:
    if isinstance(found, Sentinels):
        return "SentinelTransport"
    return "SocketTransport" if found.socket_path else "Transport"


def _options_of(found: Server | Sentinels) -> dict[str, Any]:
    """Returns kombu's transport options for a store, and redis-py's options that kombu would not pass on."""
    given = {name: value for name, value in found.options.items() if name in _KOMBU_OPTIONS}
    further = {name: value for name, value in found.options.items() if name in _FURTHER_OPTIONS}
    if isinstance(found, Server):
        socket_path = {"path": found.socket_path} if found.socket_path else {}
        return {**given, "connection_options": {**further, **socket_path}}
    times = {name: value for name, value in {**CONNECTION_OPTIONS, **given}.items() if name.startswith("socket_")}
    return {
        **given,
        "connection_options": further,
        "master_name": found.name,
        "sentinel_kwargs": {**times, **found.sentinel_options},
    }
