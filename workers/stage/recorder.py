"""Records outcomes off the engine thread: the device never waits for a network. Knows no stage's result type."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import structlog

from shared.errors import LeaseLost, ObjectStoreUnavailable, RenderFailed, StoreUnavailable
from shared.ids import RenderId
from shared.jobs import Claim
from shared.store.leases import LeaseStore
from workers.engine.stepper import Outcome

log = structlog.get_logger()

Result = TypeVar("Result")
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.2, 5.0


class Recorder(Generic[Result]):
    """Writes each outcome once. While a store is away it tries again, with the lease renewed and the slot held."""

    def __init__(
        self,
        leases: LeaseStore,
        save: Callable[[Claim, Result], None],
        *,
        on_recorded: Callable[[RenderId], None],
        num_threads: int,
    ) -> None:
        self._leases = leases
        self._save = save
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
        render_id = outcome.claim.render_id
        try:
            self._write_until_done(outcome)
        except LeaseLost:
            log.info("render.result_dropped", render_id=render_id, reason="lease lost")
        except Exception:
            log.exception("render.record_failed", render_id=render_id)
        finally:
            self._on_recorded(render_id)

    def _write_until_done(self, outcome: Outcome[Result]) -> None:
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                return self._write(outcome)
            except (StoreUnavailable, ObjectStoreUnavailable) as error:
                log.warning("render.record_delayed", render_id=outcome.claim.render_id, error=str(error))
            if self._stop.wait(delay_s):
                return None
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    def _write(self, outcome: Outcome[Result]) -> None:
        if outcome.result is not None:
            return self._save(outcome.claim, outcome.result)
        error = outcome.error
        if error is not None and error.retryable:
            log.warning("render.handed_back", render_id=outcome.claim.render_id, error=str(error))
            return self._leases.hand_back(outcome.claim.lease)
        failure = error if isinstance(error, RenderFailed) else RenderFailed(getattr(error, "code", ""), str(error))
        log.warning("render.failed", render_id=outcome.claim.render_id, code=failure.reason, error=str(failure))
        self._leases.fail(outcome.claim.lease, failure.as_error(outcome.claim.lease.stage))
        return None
