"""A hint as Celery puts it into the store, so that a script can send it with the state that it tells of."""

from dataclasses import dataclass

from celery import Celery
from kombu import Connection
from kombu.utils.json import dumps

from shared.hints.hint import Hint
from shared.hints.queues import Queue

_ID = "HINT_ID"  # in the message, wherever an id of its own belongs; hints.lua knows it, too


@dataclass(frozen=True, slots=True)
class HintMessage:
    """JSON for the queue's Celery list, complete but for the ids."""

    queue: Queue
    text: str


def hint_message(app: Celery, queue: Queue) -> HintMessage:
    """Made by Celery itself: sent once through a broker in memory, whose messages have the form of Redis's."""
    with Connection("memory://") as broker:
        app.send_task(queue.task, args=[Hint().model_dump()], queue=queue.value, task_id=_ID, connection=broker)
        message = broker.channel()._get(queue.value)
    message["properties"]["delivery_tag"] = _ID
    return HintMessage(queue, dumps(message))
