"""Measures one crowd of tenants and workers, and the memory of finished jobs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.store.crowd import AR_SLOTS, REVISION, Stores, Worker, fill, hire
from benchmarks.store.meter import Meter, Spent, Unmeasured
from benchmarks.store.path import Path, use_cpu_s
from shared.hints.queues import Queue, celery_list
from shared.ids import JobId, WorkerId, render_id
from shared.jobs.job import Job
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.queues.throughput import ThroughputStore
from shared.store.renders.leases import Announcement

_NUM_WARM_UP = 3
_NUM_BEATS = 50
_NUM_LOOKS = 20
_BEATS_OF_JOB = 68  # of a picture of 1024x1024, by one measurement
_FLEET = {Stage.DIT: 9_700, Stage.AR: 300}  # of the 10,000 workers whose heartbeats are added up
_TOTAL_STEPS = 10_000
_BEAT_INTERVAL_S = 2.0  # of workers, with the default lease


@dataclass(frozen=True, slots=True)
class Case:
    """Figures beside one crowd: `calls` of a job's path by name, and `looks` of clients and heartbeats by name.

    `beating_cores` is the store time of 10,000 workers' heartbeats, in seconds for each second.
    """

    tenants: int
    workers: int
    calls: Mapping[str, Spent]
    job: Spent
    job_cpu_ms: float
    looks: Mapping[str, Spent]
    beating_cores: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The memory of one finished job: as the store reports it for the job's keys, and as a share of all used memory."""

    reported_bytes: float
    event_bytes: float
    share_bytes: float


def measure(client: Client, tenants: int, workers: int, num_jobs: int) -> Case:
    """Fills an empty store and measures a job, heartbeats and looks at the queue beside that crowd."""
    stores = _filled(client, tenants, workers)
    path = Path(client, stores)
    calls = Meter(client)
    for number in range(_NUM_WARM_UP + num_jobs):
        path.run(calls if number >= _NUM_WARM_UP else Unmeasured(), f"t{number % tenants}")
        _take_hints(client)
    medians = calls.medians()
    cpu_ms = _cpu_ms(client, path, tenants, num_jobs)
    looks = _looks(client, stores)
    return Case(tenants, workers, medians, _sum(medians), cpu_ms, looks, _cores(looks))


def _filled(client: Client, tenants: int, workers: int) -> Stores:
    """Returns clients of a store with this crowd. One worker more has just started and has not claimed yet, as some
    worker of a large fleet always has.
    """
    client.flushall()
    client.config_set("appendfsync", "no")
    stores = Stores.of(client)
    fill(stores, tenants, workers)
    stores.leases.beat(Announcement(WorkerId("newcomer"), Queue.AR, AR_SLOTS, REVISION), [])
    _take_hints(client)
    client.config_set("appendfsync", "always")
    return stores


def _take_hints(client: Client) -> None:
    client.delete(*map(celery_list, Queue))


def _cpu_ms(client: Client, path: Path, tenants: int, num_jobs: int) -> float:
    """Returns the CPU time of the store's main thread for a job, without what an idle store uses."""
    began_s, before_s = time.monotonic(), use_cpu_s(client)
    for number in range(num_jobs):
        path.run(Unmeasured(), f"t{number % tenants}")
    used_s, took_s = use_cpu_s(client) - before_s, time.monotonic() - began_s
    idle_before_s = use_cpu_s(client)
    time.sleep(took_s)
    return (used_s - (use_cpu_s(client) - idle_before_s)) / num_jobs * 1000


def _looks(client: Client, stores: Stores) -> Mapping[str, Spent]:
    """Measures heartbeats with progress, and what clients ask about the queue."""
    meter = Meter(client)
    ar, dit = hire(stores, Stage.AR, "beating-ar", AR_SLOTS), hire(stores, Stage.DIT, "beating-dit")
    for number in range(_NUM_BEATS):
        _beat(meter, stores, ar, f"heartbeat (AR, {AR_SLOTS} renders)", number)
        _beat(meter, stores, dit, "heartbeat (DiT, 1 render)", number)
    job = stores.submit("t0")
    _ask(meter, client, stores, job)
    return meter.medians()


def _beat(meter: Meter, stores: Stores, worker: Worker, name: str, number: int) -> None:
    reports = worker.reports(number, _TOTAL_STEPS)
    meter.run(name, lambda: stores.leases.beat(worker.announcement, reports))


def _ask(meter: Meter, client: Client, stores: Stores, job: Job) -> None:
    """Measures what clients ask, as the API asks it: many callers share one look at all tenants a second."""
    shared = ThroughputStore(client, reuse_s=3600)
    for _ in range(_NUM_LOOKS):
        _look(meter, ThroughputStore(client), stores, job, ", new look at all")
    _look(Unmeasured(), shared, stores, job, "")
    for _ in range(_NUM_LOOKS):
        _look(meter, shared, stores, job, "")


def _look(meter: Meter | Unmeasured, throughput: ThroughputStore, stores: Stores, job: Job, suffix: str) -> None:
    meter.run(f"GET of a waiting job{suffix}", lambda: throughput.outlook(stores.jobs.job(job.job_id, job.spec.tenant)))
    meter.run(f"/v1/stats{suffix}", lambda: (throughput.loads(), throughput.signs()))


def _cores(looks: Mapping[str, Spent]) -> float:
    heartbeats = {name: spent.store_us for name, spent in looks.items() if name.startswith("heartbeat")}
    ar_us, dit_us = heartbeats.values()
    return (ar_us * _FLEET[Stage.AR] + dit_us * _FLEET[Stage.DIT]) / 1e6 / _BEAT_INTERVAL_S


def _sum(calls: Mapping[str, Spent]) -> Spent:
    values = calls.values()
    return Spent(
        sum(each.store_us for each in values),
        sum(each.commands for each in values),
        sum(each.round_trips for each in values),
    )


def finished_jobs(client: Client, num_jobs: int) -> Finished:
    """Takes jobs with progress to their end and returns the memory of one of them."""
    stores = _filled(client, 1, 4)
    client.config_set("appendfsync", "no")
    path = Path(client, stores)
    for _ in range(_NUM_WARM_UP):
        path.run(Unmeasured(), "t0")
    before_bytes = client.info("memory")["used_memory"]
    ended = [path.run(Unmeasured(), "t0", _BEATS_OF_JOB) for _ in range(num_jobs)]
    share = (client.info("memory")["used_memory"] - before_bytes) / num_jobs
    return Finished(_usage(client, _keys(ended[-1])), _usage(client, [f"gridpress:past_events:{ended[-1]}"]), share)


def _keys(job_id: JobId) -> Sequence[str]:
    """Returns the keys that are about one job of one picture with a webhook."""
    message = f"evt_{job_id.removeprefix('job_')}_job_succeeded"
    names = [f"job:{job_id}", f"render:{render_id(job_id, 0)}", f"past_events:{job_id}", f"told:{job_id}"]
    names += [f"message:{message}", f"job_attempts:{job_id}"]
    return [f"gridpress:{name}" for name in names]


def _usage(client: Client, keys: Sequence[str]) -> float:
    return float(sum(client.memory_usage(key) or 0 for key in keys))
