"""The least that Celery could do for a picture: a chain of two tasks, on two queues with a worker each. Keeps nothing.

`python -m celery -A benchmarks.api.bare_chain worker -Q bare-ar` runs one of the two.
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
    """Takes no time, as the simulated engine does at 0 ms."""
    return number


@app.task(queue="bare-dit")
def decode(_number: int) -> None:
    """Says that this one is through."""
    store.incr(DONE)


def picture(number: int) -> Signature:
    """The two, one after the other."""
    return chain(prior.s(number), decode.s())
