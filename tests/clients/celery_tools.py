"""Celery's own command and Flower. They read the state of the workers through our Celery app."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from cli.stack.ports import free_ports
from shared.hints.queues import Queue
from tests.clients.bench import Bench
from tests.clients.rows import Calls, Failed, Row, expect

_APP = "shared.celery_app"
_SETTING = "`GRIDPRESS_REDIS_URL`, as the workers have it"
_NUM_WORKERS = 4  # AR, DiT, delivery and batches have a Celery consumer
_START_LIMIT_S = 90
_ROUNDS = 20  # that Flower gets to hear from all workers


def celery(bench: Bench) -> Row:
    calls = Calls()
    command = (bench.environments.program("celery", "celery"), "-A", _APP)

    def run(*arguments: str) -> str:
        return bench.run((*command, *arguments), _settings(bench))

    with calls.step("inspect ping"):
        nodes = _nodes(run("inspect", "--timeout", "10", "ping"))
        expect(len(set(nodes)) >= _NUM_WORKERS, f"the nodes are {sorted(nodes)}")
    with calls.step("status"):
        expect("online" in run("status", "--timeout", "10"), "no node is online")
    with calls.step("inspect active_queues"):
        text = run("inspect", "--timeout", "10", "active_queues")
        missing = [queue.value for queue in (Queue.AR, Queue.DIT) if f"'name': '{queue}'" not in text]
        expect(not missing, f"no worker names the queues {missing}")
    with calls.step("report"):
        run("report")
    return Row("celery's command", bench.environments.version("celery", "celery"), calls.done, _SETTING)


def flower(bench: Bench) -> Row:
    calls, port = Calls(), free_ports(1)[0]
    options = (f"--port={port}", "--address=127.0.0.1")
    command = (bench.environments.program("celery", "celery"), "-A", _APP, "flower", *options)
    given = {**bench.surroundings(), **_settings(bench), "FLOWER_UNAUTHENTICATED_API": "true"}
    log = (bench.folder / "flower.log").open("w")
    process = subprocess.Popen(command, env=given, cwd=bench.folder, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            with calls.step("start"):
                _wait(http, process, Path(log.name))
            with calls.step("workers"):
                nodes = _workers(http)
                expect(len(nodes) >= _NUM_WORKERS, f"Flower sees {sorted(nodes)}")
            with calls.step("queue lengths"):
                queues = http.get("/api/queues/length").raise_for_status().json()
                expect(queues["active_queues"], "Flower sees no queue")
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()
    setting = f"{_SETTING}; `GRIDPRESS_CELERY_EVENTS=true` for the workers"
    return Row("Flower", bench.environments.version("celery", "flower"), calls.done, setting)


def _settings(bench: Bench) -> Mapping[str, str]:
    return {"GRIDPRESS_REDIS_URL": bench.service.redis_url}


def _nodes(text: str) -> list[str]:
    """Returns the nodes that answered a ping: `->  ar@host: OK`."""
    return [line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith("->")]


def _workers(http: httpx.Client) -> set[str]:
    """Returns the workers that Flower sees. It learns of them one after another."""
    found: set[str] = set()
    for _ in range(_ROUNDS):
        found |= set(http.get("/api/workers", params={"refresh": "1"}).raise_for_status().json())
        if len(found) >= _NUM_WORKERS:
            break
        time.sleep(1)
    return found


def _wait(http: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            http.get("/healthcheck").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.5)
        else:
            return
    raise Failed(f"Flower did not start: {log.read_text().strip()[-300:]}")


CLIENTS = (celery, flower)
