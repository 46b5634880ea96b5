"""The Celery app: settings that were measured, nothing about what the tasks do."""

from celery import Celery

from shared.queues import CELERY_KEY_PREFIX, Queue
from shared.store.connect import CONNECTION_OPTIONS


def make_celery(redis_url: str) -> Celery:
    """An app for producers and workers alike. Messages are JSON; results, retries and routing are not Celery's here."""
    app = Celery("gridpress", broker=redis_url, set_as_current=False)
    app.conf.update(
        broker_transport="shared.broker:Transport",
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "global_keyprefix": CELERY_KEY_PREFIX,
            "sep": ":",
            # A task ends right after its claim, so an unacknowledged hint belongs to a dead worker. The sweep
            # runs every second instead of kombu's hundred.
            "visibility_timeout": 60,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 10,  # a worker that dies while it sweeps holds up the others no longer than this
            **CONNECTION_OPTIONS,
        },
        # One list per queue: priorities are emulated with four lists, and order is the claim's business.
        task_queues={},
        task_create_missing_queues=True,
        task_routes={queue.task: {"queue": queue.value} for queue in Queue},
        task_acks_late=True,
        task_ignore_result=True,
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app
