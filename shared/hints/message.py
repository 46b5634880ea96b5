"""Builds the JSON text with which Celery sends a hint (a message that wakes workers). With this text, a Lua script can
send a hint in the same step in which it writes state.
"""

from dataclasses import dataclass

from celery import Celery
from kombu import Connection
from kombu.utils.json import dumps

from shared.hints.hint import Hint
from shared.hints.queues import Queue

_ID = "HINT_ID"  # placeholder for the message's id and delivery tag; hints.lua replaces it


@dataclass(frozen=True, slots=True)
class HintMessage:
    """The JSON text of a hint (a message that wakes workers), to be put on the Redis list of a Celery queue. The ids in
    the text are placeholders, which a Lua script replaces.
    """

    queue: Queue
    text: str


def hint_message(app: Celery, queue: Queue) -> HintMessage:
    """Returns the JSON text with which Celery sends a hint (a message that wakes workers) to the queue.

    Celery itself creates this text: the hint is sent once through kombu's in-memory broker and read there. Messages in
    that broker have the same form as in Redis.
    """
    with Connection("memory://") as broker:
        app.send_task(queue.task, args=[Hint().model_dump()], queue=queue.value, task_id=_ID, connection=broker)
        message = broker.channel()._get(queue.value)
    message["properties"]["delivery_tag"] = _ID
    return HintMessage(queue, dumps(message))
