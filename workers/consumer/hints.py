"""Receives hints (messages that wake workers) from Celery. It rejects and counts malformed hints, and leaves hints of a
newer version to newer workers.

It knows nothing about stages.
"""

import threading
from collections.abc import Callable, Mapping
from itertools import count

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from pydantic import ValidationError

from shared.hints.hint import VERSION, Hint
from shared.hints.queues import Queue
from workers.consumer.health import HintHealth

log = structlog.get_logger()

_PAUSE_S = 1.0  # before a newer hint goes back to the end of the queue, so that an old worker does not loop on it
# After so many pauses the hint is dropped. No newer worker exists then (a roll-back), and the hint would delay others.
_MOST_PAUSES = 30
_NUM_LEFT = "num_left"  # a field that counts how often the hint went back to the queue; every version ignores it


def on_hint(app: Celery, queue: Queue, take: Callable[[], object], hint_health: HintHealth) -> None:
    """Registers the Celery task of a queue, which receives hints (messages that wake workers). The task calls `take`
    for every hint of this version, and records the hint in `hint_health`.
    """
    rejected = count(1)

    @app.task(name=queue.task)  # type: ignore[untyped-decorator, unused-ignore]
    def receive(*arguments: object, **_: object) -> None:
        with hint_health.hint():
            act_on(arguments[0] if arguments else None)

    def act_on(hint: object) -> None:
        try:
            Hint.model_validate(hint)
        except ValidationError as error:
            if isinstance(hint, Mapping) and _is_newer(hint):
                _leave(app, queue, hint)
            else:
                log.warning("hint.rejected", queue=queue.value, num_rejected=next(rejected), error=str(error)[:200])
            return
        take()


def _is_newer(hint: Mapping[str, object]) -> bool:
    version = hint.get("version")
    return isinstance(version, int) and version > VERSION


def _leave(app: Celery, queue: Queue, hint: Mapping[str, object]) -> None:
    """Waits 1 s, then puts a hint of a newer version back at the end of the queue, where a newer worker can receive it.
    A hint is a message that wakes a worker.

    After 30 such returns the hint is dropped. This loss does no harm, because upkeep sends new hints.
    """
    num_left = hint.get(_NUM_LEFT, 0)
    log.warning("hint.too_new", queue=queue.value, version=hint["version"], num_left=num_left)
    if not isinstance(num_left, int) or num_left >= _MOST_PAUSES:
        return
    threading.Event().wait(_PAUSE_S)
    try:
        app.send_task(queue.task, args=[{**hint, _NUM_LEFT: num_left + 1}], queue=queue.value)
    except OperationalError as error:
        log.warning("hint.not_sent", queue=queue.value, error=str(error))
