"""Defines the least work that Celery could do for a picture: a chain of two tasks on two queues, without stored
results.

`python -m celery -A benchmarks.api.bare_chain worker -Q bare-ar` starts the worker of one of the two queues.
"""

import os

from celery import Celery, chain
from celery.canvas import Signature
from redis import Redis

URL = os.environ["BARE_REDIS_URL"]
DONE = "bare:done"

app = Celery("bare", broker=URL)
app.conf.update(task_ignore_result=True, broker_transport_options={"global_keyprefix": "bare:"})
store = Redis.from_url(URL)


@app.task(queue="bare-ar")
def prior(number: int) -> int:
    """Returns its argument at once, like the simulated AR engine at 0 ms."""
    return number


@app.task(queue="bare-dit")
def decode(_number: int) -> None:
    """Counts a finished chain."""
    store.incr(DONE)


def picture(number: int) -> Signature:
    """Returns a chain of the two tasks."""
    return chain(prior.s(number), decode.s())
