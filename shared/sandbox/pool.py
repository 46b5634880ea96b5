"""Manages a pool of child processes with the same task. Tenants take turns to use a child, and a killed child is
replaced.
"""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from typing_extensions import Buffer

from shared.errors import ServiceBusy
from shared.metrics.catalogue import SANDBOX_KILLS
from shared.process.quota import SharedQuota
from shared.sandbox.child import Child, Task, TaskKilled
from shared.sandbox.frames import Head
from shared.sandbox.turns import Turns

log = structlog.get_logger()


class Pool:
    """The child processes of one task. Starts a child process when a request needs one, and reuses it for later
    requests.
    """

    def __init__(self, task: Task, places: int, *, patience_s: float = 30.0, quota: SharedQuota | None = None) -> None:
        """Creates a pool of at most `places` child processes. A request waits at most `patience_s` seconds for a child
        process. `quota` limits the concurrent tasks of several processes together.
        """
        self.task = task
        self.num_killed = 0
        self._turns = Turns(places, patience_s=patience_s, quota=quota)
        self._idle: list[Child] = []
        atexit.register(self.close)

    def ask(self, tenant: str, child: Child, ask: Head, data: Buffer = b"") -> tuple[Head, bytes]:
        """Sends a tenant's request to the child process and returns the response. If the child process was killed or
        ended before its response, this is counted and logged, and `TaskKilled` is raised.
        """
        try:
            return child.ask(ask, data)
        except TaskKilled as error:
            self.num_killed += 1
            SANDBOX_KILLS.labels(error.why).inc()
            log.warning(
                "sandbox.killed", task=self.task.target, why=error.why, tenant=tenant, num_killed=self.num_killed
            )
            raise

    @contextmanager
    def child(self, tenant: str) -> Iterator[Child]:
        """Waits for the tenant's turn and reserves a child process for the body of the `with` statement. Raises
        `ServiceBusy` if the tenant's turn does not come in time.
        """
        with self._turns.turn(tenant):
            child = self._idle.pop() if self._idle else self._started()
            try:
                yield child
            finally:
                if child.is_usable:
                    self._idle.append(child)
                else:
                    child.close()

    def _started(self) -> Child:
        """Starts a child process. Raises `ServiceBusy` if the machine has no free process, memory or file descriptor
        now, because a later try may succeed.
        """
        try:
            return Child(self.task)
        except OSError as error:
            log.error("sandbox.not_started", task=self.task.target, error=str(error))  # noqa: TRY400 - the text is enough
            raise ServiceBusy("the service can't start a process for this request now; try again") from error

    def close(self) -> None:
        """Ends the idle child processes. It runs when this process exits. A child that is still working then ends after
        its task.
        """
        while self._idle:
            self._idle.pop().close()
