"""Simulated workers as processes over the tests' own servers, and upkeep that ticks while a test waits."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.celery_app import make_celery
from shared.ids import DEFAULT_TENANT, new_job_id
from shared.jobs.job import Job, Render
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.states import Stage
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from workers.upkeep.service import Upkeep

LEASE_TTL_S = 1.5
_LIMIT_S = 60.0
_MODEL = "simulate:ar=0,dit=0"


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's process and all that it has said."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None


class Fleet:
    """`settings` name the servers. Every worker is killed by `stop`."""

    def __init__(self, settings: Settings, client: Client, folder: Path) -> None:
        assert settings.redis_url
        self.settings = settings
        self.jobs = JobStore(client)
        self.client = client
        store = UpkeepStore(client)
        self._upkeep = Upkeep(store, Hints(make_celery(settings.redis_url), store), settings)
        self._folder = folder
        self._workers: list[Worker] = []

    def start(self, stage: Stage, model: str = _MODEL, **settings: str) -> Worker:
        """Starts a worker, its settings on top of the fleet's, and waits until it takes work."""
        ready = self.ready_file()
        worker = self.launch_stage(stage, model, ready_file=str(ready), **settings)
        self.wait_until(lambda: ready.exists() or not worker.is_running)
        assert worker.is_running, worker.log
        return worker

    def launch_stage(self, stage: Stage, model: str = _MODEL, **settings: str) -> Worker:
        """Starts a worker and waits for nothing."""
        return self.launch((sys.executable, "-m", f"workers.{stage}"), model, **settings)

    def launch(self, command: Sequence[str], model: str = _MODEL, **settings: str) -> Worker:
        """Starts any process with the fleet's settings, and waits for nothing."""
        log_file = self._folder / f"{len(self._workers)}.log"
        with log_file.open("wb") as log:
            environment = {**os.environ, **self._environment(model), **_named(settings)}
            worker = Worker(subprocess.Popen(command, env=environment, stdout=log, stderr=log), log_file)
        self._workers.append(worker)
        return worker

    def ready_file(self) -> Path:
        """For the worker that is launched next."""
        return self._folder / f"{len(self._workers)}.ready"

    def submit(self, prompt: str = "a kite", n: int = 1) -> Job:
        spec = JobSpec(settings=RenderSettings(prompt=prompt, width_px=256, height_px=256), n=n, seed=7)
        return self.jobs.submit(new_job_id(), spec)

    def renders(self, job: Job) -> Sequence[Render]:
        return self.jobs.job(job.job_id, DEFAULT_TENANT).renders

    def are_all(self, job: Job, state: str) -> bool:
        return all(render.state == state for render in self.renders(job))

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + _LIMIT_S
        while not is_true():
            assert time.monotonic() < deadline_s, "\n".join(worker.log[-2000:] for worker in self._workers)
            self._upkeep.run_once(time.monotonic())
            time.sleep(0.02)

    def stop(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait()

    def _environment(self, model: str) -> Mapping[str, str]:
        settings = self.settings
        assert settings.s3_secret_key
        return _named(
            {
                "redis_url": str(settings.redis_url),
                "s3_endpoint_url": str(settings.s3_endpoint_url),
                "s3_access_key": str(settings.s3_access_key),
                "s3_secret_key": settings.s3_secret_key.get_secret_value(),
                "lease_ttl_s": str(settings.lease_ttl_s),
                "model": model,
            }
        )


def _named(settings: Mapping[str, str]) -> Mapping[str, str]:
    return {f"GRIDPRESS_{name.upper()}": value for name, value in settings.items()}
