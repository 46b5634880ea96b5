"""Records outcomes off the engine thread: the device never waits for a network. Knows no stage's result type."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from shared.errors import LeaseLost, ObjectStoreUnavailable, RenderFailed, StoreUnavailable
from shared.jobs.leases import Claim, Lease
from shared.store.renders.leases import LeaseStore
from workers.engine.stepper import Outcome
from workers.stage.attempts import Attempts, End

log = structlog.get_logger()

Result = TypeVar("Result")
Write = Callable[[], None]
_NOT_WRITTEN = "its result could not be written; the worker's log has the details"
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.2, 5.0


@dataclass(frozen=True, slots=True)
class _Step:
    """A write, and how the attempt has ended once it is done."""

    write: Write
    end: End
    code: str = ""
    error: str = ""


class Recorder(Generic[Result]):
    """Writes each outcome once. While a store is away it tries again, as long as the lease is held.

    `save` makes of a result what is stored, once; the write that it answers is repeated until it is done.
    """

    def __init__(
        self,
        leases: LeaseStore,
        attempts: Attempts,
        save: Callable[[Claim, Result], Write],
        *,
        is_held: Callable[[Lease], bool],
        on_recorded: Callable[[Lease], None],
        num_threads: int,
    ) -> None:
        """`num_threads`: as many as outcomes may wait at once, so that none waits for another's store."""
        self._leases = leases
        self._attempts = attempts
        self._save = save
        self._is_held = is_held
        self._on_recorded = on_recorded
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="recorder")

    def submit(self, outcome: Outcome[Result]) -> None:
        self._attempts.leave_slot(outcome.claim.lease)
        self._pool.submit(self._record, outcome)

    def close(self) -> None:
        """Gives up on writes that a store's outage still holds back; their leases run out."""
        self._stop.set()
        self._pool.shutdown(wait=True)

    def _record(self, outcome: Outcome[Result]) -> None:
        with bound_contextvars(**outcome.claim.log_ids):
            self._record_bound(outcome)

    def _record_bound(self, outcome: Outcome[Result]) -> None:
        lease = outcome.claim.lease
        try:
            done = self._write(outcome)
            self._attempts.end(lease, done.end, code=done.code, error=done.error)
        except LeaseLost:
            log.info("render.result_dropped", reason="lease lost")
            self._attempts.end(lease, End.LOST)
        except Exception:
            log.exception("render.record_failed")
            self._attempts.end(lease, End.LOST)
        finally:
            self._on_recorded(lease)

    def _write(self, outcome: Outcome[Result]) -> _Step:
        """A result that can't be written fails its render by name: another attempt would come to the same end."""
        lease = outcome.claim.lease
        try:
            return self._repeat(self._step_of(outcome), lease)
        except LeaseLost:
            raise
        except Exception:
            log.exception("render.not_written")
            return self._repeat(self._failure(lease, RenderFailed("not_written", _NOT_WRITTEN)), lease)

    def _repeat(self, step: _Step, lease: Lease) -> _Step:
        """Raises `LeaseLost` when the lease was given up meanwhile, by another worker or by us."""
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                step.write()
            except (StoreUnavailable, ObjectStoreUnavailable) as error:
                log.warning("render.record_delayed", error=str(error))
            else:
                return step
            if self._stop.wait(delay_s) or not self._is_held(lease):
                raise LeaseLost(f"{lease.render_id} was given up while its result waited for a store")
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    def _step_of(self, outcome: Outcome[Result]) -> _Step:
        lease, error = outcome.claim.lease, outcome.error
        if outcome.result is not None:
            return _Step(self._save(outcome.claim, outcome.result), End.SUCCEEDED)
        if error is not None and error.retryable:
            log.warning("render.not_rendered", error=str(error))
            return _Step(partial(self._leases.hand_back, lease), End.HANDED_BACK)
        failure = error if isinstance(error, RenderFailed) else RenderFailed(getattr(error, "code", ""), str(error))
        return self._failure(lease, failure)

    def _failure(self, lease: Lease, failure: RenderFailed) -> _Step:
        def fail() -> None:
            self._leases.fail(lease, failure.as_error(lease.stage))

        return _Step(fail, End.FAILED, failure.reason, str(failure))
