"""A pool of children with the same task; tenants take turns to use one. A killed child is replaced."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from typing_extensions import Buffer

from shared.errors import ServiceBusy
from shared.metrics.catalogue import SANDBOX_KILLS
from shared.process.quota import Quota
from shared.sandbox.child import Child, Task, TaskKilled
from shared.sandbox.frames import Head
from shared.sandbox.turns import Turns

log = structlog.get_logger()


class Pool:
    """Starts children when they are needed, and keeps them for later requests."""

    def __init__(self, task: Task, places: int, *, patience_s: float = 30.0, quota: Quota | None = None) -> None:
        """`quota` limits the tasks of several processes together."""
        self.task = task
        self.num_killed = 0
        self._turns = Turns(places, patience_s=patience_s, quota=quota)
        self._idle: list[Child] = []
        atexit.register(self.close)

    def ask(self, tenant: str, child: Child, ask: Head, data: Buffer = b"") -> tuple[Head, bytes]:
        """Returns the child's answer. A killed child is counted and logged, and `TaskKilled` is raised."""
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
        """Reserves a child for the block, once it is the tenant's turn. Raises `ServiceBusy`."""
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
        """A machine that has no process or descriptor for it now may have one in a moment."""
        try:
            return Child(self.task)
        except OSError as error:
            log.error("sandbox.not_started", task=self.task.target, error=str(error))  # noqa: TRY400 - it says everything
            raise ServiceBusy("the service can look at nothing now; try again") from error

    def close(self) -> None:
        """Ends the idle children. Those with a task end after it."""
        while self._idle:
            self._idle.pop().close()
