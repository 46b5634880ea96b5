"""Receives hints: rejects and counts malformed ones, leaves those of newer versions to other workers.

Knows no stage.
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
from workers.consumer.health import Hearing

log = structlog.get_logger()

_PAUSE_S = 1.0  # before a newer hint goes to the end of the queue, so that an old worker does not spin on it
# Then no newer worker is there (a roll-back), and the hint must not keep out the ones that we can read.
_MOST_PAUSES = 30
_NUM_LEFT = "num_left"  # how often it was; a field of the hint that every version ignores


def on_hint(app: Celery, queue: Queue, take: Callable[[], object], hearing: Hearing) -> None:
    """Registers the Celery task of the queue. It calls `take` for every hint of our version."""
    rejected = count(1)

    @app.task(name=queue.task)  # type: ignore[untyped-decorator, unused-ignore]
    def receive(*arguments: object, **_: object) -> None:
        with hearing.hint():
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
    """Puts the hint back at the end of the queue. If it is lost here, upkeep sends another one."""
    num_left = hint.get(_NUM_LEFT, 0)
    log.warning("hint.too_new", queue=queue.value, version=hint["version"], num_left=num_left)
    if not isinstance(num_left, int) or num_left >= _MOST_PAUSES:
        return
    threading.Event().wait(_PAUSE_S)
    try:
        app.send_task(queue.task, args=[{**hint, _NUM_LEFT: num_left + 1}], queue=queue.value)
    except OperationalError as error:
        log.warning("hint.not_sent", queue=queue.value, error=str(error))
