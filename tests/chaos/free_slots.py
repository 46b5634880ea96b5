"""Which stages have a worker that could take a render now: alive, running, not draining, and with a slot to spare."""

from pathlib import Path

from shared.jobs.states import Stage
from shared.store.core.connect import Client


def free_stages(client: Client, draining_pids: frozenset[int]) -> frozenset[Stage]:
    """By the store's announcements and by what the kernel says of the processes."""
    seconds, microseconds = client.time()
    now_ms = int(seconds) * 1000 + int(microseconds) // 1000
    return frozenset(stage for stage in Stage if _has_free_slot(client, stage, now_ms, draining_pids))


def _has_free_slot(client: Client, stage: Stage, now_ms: int, draining_pids: frozenset[int]) -> bool:
    for worker in client.zrangebyscore(f"gridpress:workers:{stage}", f"({now_ms}", "+inf"):
        pid = pid_of(worker)
        slots = int(str(client.hget(f"gridpress:slots:{stage}", worker) or 0))
        num_held = int(str(client.scard(f"gridpress:held:{worker}")))
        if pid not in draining_pids and num_held < slots and runs(pid):
            return True
    return False


def pid_of(worker: str) -> int:
    """Of a worker id: role, host, pid and random bits."""
    return int(worker.rsplit("-", 2)[1])


def runs(pid: int) -> bool:
    """Whether the process is there, and neither stopped nor a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "TtZX"
