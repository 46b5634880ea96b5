"""Records outcomes off the engine thread: the device never waits for a network. Knows no stage's result type."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

import structlog

from shared.errors import LeaseLost, ObjectStoreUnavailable, RenderFailed, StoreUnavailable
from shared.leases import Claim, Lease
from shared.store.leases import LeaseStore
from workers.engine.stepper import Outcome

log = structlog.get_logger()

Result = TypeVar("Result")
Write = Callable[[], None]
_NOT_WRITTEN = "its result could not be written; the worker's log has the details"
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.2, 5.0


class Recorder(Generic[Result]):
    """Writes each outcome once. While a store is away it tries again, as long as the lease is held.

    `save` makes of a result what is stored, once; the write that it answers is repeated until it is done.
    """

    def __init__(
        self,
        leases: LeaseStore,
        save: Callable[[Claim, Result], Write],
        *,
        is_held: Callable[[Lease], bool],
        on_recorded: Callable[[Lease], None],
        num_threads: int,
    ) -> None:
        """`num_threads`: as many as outcomes may wait at once, so that none waits for another's store."""
        self._leases = leases
        self._save = save
        self._is_held = is_held
        self._on_recorded = on_recorded
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="recorder")

    def submit(self, outcome: Outcome[Result]) -> None:
        self._pool.submit(self._record, outcome)

    def close(self) -> None:
        """Gives up on writes that a store's outage still holds back; their leases run out."""
        self._stop.set()
        self._pool.shutdown(wait=True)

    def _record(self, outcome: Outcome[Result]) -> None:
        lease = outcome.claim.lease
        try:
            self._write(outcome)
        except LeaseLost:
            log.info("render.result_dropped", render_id=lease.render_id, reason="lease lost")
        except Exception:
            log.exception("render.record_failed", render_id=lease.render_id)
        finally:
            self._on_recorded(lease)

    def _write(self, outcome: Outcome[Result]) -> None:
        """A result that can't be written fails its render by name: another attempt would come to the same end."""
        lease = outcome.claim.lease
        try:
            self._repeat(self._write_of(outcome), lease)
        except LeaseLost:
            raise
        except Exception:
            log.exception("render.not_written", render_id=lease.render_id)
            self._repeat(self._failure(lease, RenderFailed("not_written", _NOT_WRITTEN)), lease)

    def _repeat(self, write: Write, lease: Lease) -> None:
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                return write()
            except (StoreUnavailable, ObjectStoreUnavailable) as error:
                log.warning("render.record_delayed", render_id=lease.render_id, error=str(error))
            if self._stop.wait(delay_s):
                return None
            if not self._is_held(lease):
                raise LeaseLost(f"{lease.render_id} was given up while its result waited for a store")
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    def _write_of(self, outcome: Outcome[Result]) -> Write:
        lease, error = outcome.claim.lease, outcome.error
        if outcome.result is not None:
            return self._save(outcome.claim, outcome.result)
        if error is not None and error.retryable:
            log.warning("render.handed_back", render_id=lease.render_id, error=str(error))
            return partial(self._leases.hand_back, lease)
        failure = error if isinstance(error, RenderFailed) else RenderFailed(getattr(error, "code", ""), str(error))
        return self._failure(lease, failure)

    def _failure(self, lease: Lease, failure: RenderFailed) -> Write:
        log.warning("render.failed", render_id=lease.render_id, code=failure.reason, error=str(failure))

        def fail() -> None:
            self._leases.fail(lease, failure.as_error(lease.stage))

        return fail
