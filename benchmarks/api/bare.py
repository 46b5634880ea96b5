"""Serves the least work that an API could do for a submission: one Flask route with one pipelined write.

`python -m benchmarks.api.bare` prints its port. It runs on the same server as Gridpress's API and writes about as much
as a job's record.
"""

from gevent import monkey

monkey.patch_all()

from api.connections import polling  # noqa: E402 - gevent has to patch sockets first

polling.install()

import os  # noqa: E402
import uuid  # noqa: E402

from flask import Flask, request  # noqa: E402
from redis import Redis  # noqa: E402

from api.quotas import Quotas  # noqa: E402
from api.server.arbiter import num_processes, serve  # noqa: E402
from shared.process.logs import configure_logs  # noqa: E402
from shared.settings.settings import Settings  # noqa: E402


def make_app(store: "Redis") -> Flask:
    """Returns a Flask app whose `POST /` stores the JSON body: a hash for the job, one for its render, a queue entry
    and an event.
    """
    app = Flask("bare")

    @app.post("/")
    def create() -> tuple[dict[str, str], int]:
        job = uuid.uuid4().hex
        prompt = request.get_json()["prompt"]
        pipeline = store.pipeline(transaction=False)
        pipeline.hset(f"bare:job:{job}", mapping={"prompt": prompt, "status": "queued", "n": 1})
        pipeline.hset(f"bare:render:{job}", mapping={"state": "queued", "seed": 1})
        pipeline.zadd("bare:waiting", {job: 1})
        pipeline.xadd(f"bare:events:{job}", {"type": "job.queued"})
        pipeline.execute()
        return {"id": job}, 202

    return app


class Nothing:
    """Stands for services that need no signal before their process ends."""

    def stop(self) -> None:
        return


def compose() -> tuple[Flask, Nothing]:
    return make_app(Redis.from_url(os.environ["BARE_REDIS_URL"])), Nothing()


if __name__ == "__main__":
    configure_logs("bare")  # to stderr, because stdout has only the port
    settings = Settings(port=0)
    quotas = Quotas.of(settings, num_processes(settings))
    serve(compose, settings, quotas, lambda port: print(port, flush=True))
