"""Writes the outcomes of renders to the stores on separate threads, so that the device never waits for the network."""

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
    """A write that records a render's outcome in the store. It also says how the attempt on the render has ended if the
    write succeeds.
    """

    write: Write
    end: End
    code: str = ""
    error: str = ""


class Recorder(Generic[Result]):
    """Writes the outcome of each render once. While a store is unreachable, it retries as long as the worker holds the
    render's lease.

    `save` converts a result for storage and returns a function that writes it. `save` is called once for each result,
    with the seconds of the device that the render took. The returned function is called again until it succeeds.
    """

    def __init__(
        self,
        leases: LeaseStore,
        attempts: Attempts,
        save: Callable[[Claim, Result, float], Write],
        *,
        is_held: Callable[[Lease], bool],
        on_recorded: Callable[[Lease], None],
        num_threads: int,
    ) -> None:
        """Creates the recorder. `is_held` returns whether a lease is still held, and `on_recorded` is called when a
        render needs no more writes.

        `num_threads` must be the largest number of outcomes that can wait at the same time. Then no outcome waits for
        the write of another one.
        """
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
        """Gives up the writes that wait for an unreachable store. The leases of the renders concerned then expire, and
        other workers claim these renders.
        """
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
        """Writes an outcome, and returns what was written.

        If the result can't be written because of an unexpected error, the render fails with the reason `not_written`,
        because another attempt would end in the same way. `RenderFailed` has a reason of its own.
        """
        lease = outcome.claim.lease
        try:
            return self._repeat(self._step_of(outcome), lease)
        except LeaseLost:
            raise
        except RenderFailed as error:
            log.warning("render.not_written", error=str(error))
            return self._repeat(self._failure(lease, error), lease)
        except Exception:
            log.exception("render.not_written")
            return self._repeat(self._failure(lease, RenderFailed("not_written", _NOT_WRITTEN)), lease)

    def _repeat(self, step: _Step, lease: Lease) -> _Step:
        """Repeats a write while a store is unreachable, until the write succeeds.

        Raises `LeaseLost` if this worker gives up the lease meanwhile, or another worker gets it.
        """
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
            return _Step(self._save(outcome.claim, outcome.result, outcome.device_s), End.SUCCEEDED)
        if error is not None and error.retryable:
            log.warning("render.not_rendered", error=str(error))
            return _Step(partial(self._leases.hand_back, lease), End.HANDED_BACK)
        failure = error if isinstance(error, RenderFailed) else RenderFailed(getattr(error, "code", ""), str(error))
        return self._failure(lease, failure)

    def _failure(self, lease: Lease, failure: RenderFailed) -> _Step:
        def fail() -> None:
            self._leases.fail(lease, failure.as_error(lease.stage))

        return _Step(fail, End.FAILED, failure.reason, str(failure))
