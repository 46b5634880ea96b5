"""A few children that do the same task, and turns by tenant to use one. A child that was killed is replaced."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from typing_extensions import Buffer

from shared.sandbox.child import Child, Task, TaskKilled
from shared.sandbox.frames import Head
from shared.sandbox.turns import Turns

log = structlog.get_logger()


class Pool:
    """Children are started when they are needed, and kept."""

    def __init__(self, task: Task, places: int, *, patience_s: float = 30.0) -> None:
        self.task = task
        self.num_killed = 0
        self._turns = Turns(places, patience_s=patience_s)
        self._idle: list[Child] = []
        atexit.register(self.close)

    def ask(self, tenant: str, child: Child, ask: Head, data: Buffer = b"") -> tuple[Head, bytes]:
        """The child's answer. Raises `TaskKilled`, counted and logged."""
        try:
            return child.ask(ask, data)
        except TaskKilled as error:
            self.num_killed += 1
            log.warning(
                "sandbox.killed", task=self.task.target, why=error.why, tenant=tenant, num_killed=self.num_killed
            )
            raise

    @contextmanager
    def child(self, tenant: str) -> Iterator[Child]:
        """For as long as the block takes. Raises `ServiceBusy`."""
        with self._turns.turn(tenant):
            child = self._idle.pop() if self._idle else Child(self.task)
            try:
                yield child
            finally:
                if child.is_usable:
                    self._idle.append(child)
                else:
                    child.close()

    def close(self) -> None:
        """Ends the idle ones; those at work end with their task."""
        while self._idle:
            self._idle.pop().close()
