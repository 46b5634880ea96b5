"""Enhances one prompt: claims, asks, checks, writes. Knows nothing of Celery."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from shared.metrics.catalogue import ENHANCEMENTS
from shared.store.enhancements.enhancements import EnhancementClaim, EnhancementStore
from shared.tracing.spans import Value, begin_span
from workers.enhance.answer import checked, text_of
from workers.enhance.errors import NotEnhanced
from workers.enhance.instructions import Message, messages

log = structlog.get_logger()

_RETRY_DELAY_S = 1.0


class Endpoint(Protocol):
    """What answers chats: `workers.enhance.endpoint`, or a test's own."""

    def ask(self, messages: Sequence[Message]) -> bytes: ...


@dataclass(frozen=True, slots=True)
class EnhanceService:
    """One job at a time; any number of threads may use one. After `max_attempts` a job goes on with its own prompt."""

    enhancements: EnhancementStore
    endpoint: Endpoint
    max_attempts: int
    max_chars: int

    def enhance_one(self) -> bool:
        """Returns whether any job was due. Raises `StoreUnavailable` when the store does not answer."""
        claim = self.enhancements.claim()
        if claim is None:
            return False
        with bound_contextvars(**claim.log_ids):
            self._enhance(claim)
        return True

    def _enhance(self, claim: EnhancementClaim) -> None:
        began_ns, error = time.time_ns(), ""
        try:
            revised = self._revised(claim)
        except NotEnhanced as failure:
            error = failure.reason
            self._after_failure(claim, failure)
        except Exception:
            log.exception("enhancement.crashed")
            error = "internal_error"
            self._after_failure(claim, NotEnhanced(error, "the prompt could not be enhanced"))
        else:
            kept = self.enhancements.succeed(claim, revised)
            log.info("enhancement.done", attempt=claim.attempt, kept=kept)
            ENHANCEMENTS.labels("enhanced" if kept else "lost").inc()
        _trace(claim, began_ns, error)

    def _revised(self, claim: EnhancementClaim) -> str:
        if claim.attempt > self.max_attempts:
            raise NotEnhanced("worker_lost", "the processes that were to enhance it ended", is_final=True)
        settings = claim.spec.settings
        body = self.endpoint.ask(messages(settings.prompt, is_edit=settings.is_edit))
        return checked(text_of(body), settings.prompt, self.max_chars)

    def _after_failure(self, claim: EnhancementClaim, error: NotEnhanced) -> None:
        log.warning("enhancement.failed", attempt=claim.attempt, reason=error.reason)
        is_last = error.is_final or claim.attempt >= self.max_attempts
        ENHANCEMENTS.labels("failed" if is_last else "retry").inc()
        if is_last:
            self.enhancements.fail(claim, {"code": error.reason, "message": str(error)})
        else:
            self.enhancements.retry_later(claim, _RETRY_DELAY_S)


def _trace(claim: EnhancementClaim, began_ns: int, error: str) -> None:
    parent = claim.origin.trace if claim.origin else None
    if span := begin_span("enhance", parent=parent, began_at_ns=began_ns):
        outcome = "failed" if error else "succeeded"
        told: dict[str, Value] = {"job_id": claim.job_id, "attempt": claim.attempt, "outcome": outcome}
        span.end({f"gridpress.{name}": value for name, value in told.items()}, error=error)
