"""Creates the Celery app with measured broker settings. Defines no tasks."""

from celery import Celery

from shared.queues import CELERY_KEY_PREFIX, Queue
from shared.store.connect import CONNECTION_OPTIONS


def make_celery(redis_url: str) -> Celery:
    """Returns the Celery app of producers and workers. Messages are JSON; Celery's results, retries and routing are
    off.
    """
    app = Celery("gridpress", broker=redis_url, set_as_current=False)
    app.conf.update(
        broker_transport="shared.broker:Transport",
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "global_keyprefix": CELERY_KEY_PREFIX,
            "sep": ":",
            **CONNECTION_OPTIONS,
            # A BRPOP ends after a second, so one without a reply for 3 s more is on a dead connection.
            "health_check_interval": 3,
        },
        # One list per queue: priorities are emulated with four lists, and order is the claim's business.
        task_queues={},
        task_create_missing_queues=True,
        task_routes={queue.task: {"queue": queue.value} for queue in Queue},
        task_acks_late=True,  # counts a hint as under way until its task ends; the store hears of none (broker.py)
        task_ignore_result=True,
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_enable_prefetch_count_reduction=False,  # else a worker asks for less after each lost connection
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app
