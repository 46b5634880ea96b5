"""What an attack does to everybody else: their latencies beside it and beside mere load, and the server's memory.

    found = beside(api.port, api.process.pid, attack)
    assert found.unharmed, found

The measure is another client's `/healthz` and `POST /v1/jobs`. Its p99 during the attack has to stay under three times
what it is in the same run beside two busy processes that don't touch the service: the attack's own client, and what the
machine does besides, cost as much as those.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from tests.attack.prober import Latencies

_NUM_BUSY = 2
_MOST_TIMES = 3.0
# A p99 of a hundred requests is its second longest. Below this floor it says more about the machine's scheduler. With
# 20 ms, a quick machine failed on one burst of 70 ms, which a machine with a baseline of 60 ms passed.
_FLOOR_MS = 50.0
_TIMEOUT_S = 120
_SAMPLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """`busy` is the baseline; `peak_mib` the memory of all processes of the server during the attack."""

    busy: Latencies
    attacked: Latencies
    rss_mib: float
    peak_mib: float

    @property
    def times(self) -> float:
        """How much longer the neighbours' p99 is than beside mere load."""
        return self.attacked.p99_ms / max(self.busy.p99_ms, _FLOOR_MS)

    @property
    def unharmed(self) -> bool:
        """Nobody was refused or cut off, and nobody waited much longer than beside mere load."""
        return self.attacked.num_failed == 0 and self.attacked.num > 0 and self.times < _MOST_TIMES


# By test, in the order of their running; `tests.attack.report` prints them.
MEASURED: list[tuple[str, Comparison]] = []


def beside(
    port: int,
    pid: int,
    attack: Callable[[], object],
    *,
    key: str | None = None,
    busy: Latencies | None = None,
) -> Comparison:
    """Measures beside two busy processes, then beside `attack`, which runs here and returns when it is over.

    `pid` is the server's; its children count, too. `key` is for an API that isn't open. `busy` is what `beside_load`
    found before in the same run, where one baseline serves several attacks.
    """
    busy = busy or beside_load(port, key=key)
    rss_mib = memory_mib(pid)
    with _sampled(pid) as peak, _probing(port, key) as ask:
        attack()
        attacked = ask()
    found = Comparison(busy, attacked, rss_mib, max([rss_mib, *peak]))
    test = os.environ.get("PYTEST_CURRENT_TEST", "?")
    MEASURED.append((test.rpartition("::")[2].removesuffix(" (call)"), found))
    return found


def beside_load(port: int, *, key: str | None = None, baseline_s: float = 3.0) -> Latencies:
    """The baseline: two processes that compute, and don't touch the service."""
    with _busy(), _probing(port, key) as ask:
        time.sleep(baseline_s)
        return ask()


def memory_mib(pid: int) -> float:
    """Resident memory of a process and all below it; what they share counts for each."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total / 1024 / 1024


@contextmanager
def _busy() -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(_NUM_BUSY)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def _probing(port: int, key: str | None) -> Iterator[Callable[[], Latencies]]:
    """A prober that has begun; the callable ends it and gives what it saw."""
    command = [sys.executable, "-m", "tests.attack.prober", str(port), *([key] if key else [])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def finish() -> Latencies:
        told, _ = process.communicate(timeout=_TIMEOUT_S)
        return Latencies(**json.loads(told))

    try:
        yield finish
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _sampled(pid: int) -> Iterator[list[float]]:
    """Memory of the server, again and again until the end of the block."""
    over, samples = threading.Event(), list[float]()

    def sample() -> None:
        while not over.wait(_SAMPLE_S):
            samples.append(memory_mib(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
