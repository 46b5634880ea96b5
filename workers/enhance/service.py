"""Enhances the prompt of one job: claims the job, calls the model, checks the text and stores it.

Does not depend on Celery.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from shared.metrics.catalogue import ENHANCEMENTS
from shared.store.enhancements.enhancements import EnhancementClaim, EnhancementStore
from shared.tracing.span import Value
from shared.tracing.spans import begin_span
from workers.enhance.errors import NotEnhanced
from workers.enhance.instructions import Message, messages
from workers.enhance.response import checked, text_of

log = structlog.get_logger()

_RETRY_DELAY_S = 1.0


class Endpoint(Protocol):
    """The interface of a chat endpoint: sends chat messages and returns the body of the response.

    `workers.enhance.endpoint` implements it; tests use a fake.
    """

    def ask(self, messages: Sequence[Message]) -> bytes: ...


@dataclass(frozen=True, slots=True)
class EnhanceService:
    """Enhances the prompts of jobs, one job per call; thread-safe.

    After `max_attempts` failed attempts, a job keeps its original prompt.
    """

    enhancements: EnhancementStore
    endpoint: Endpoint
    max_attempts: int
    max_chars: int

    def enhance_one(self) -> bool:
        """Enhances the prompt of the job that is due first. Returns whether any job was due.

        Raises `StoreUnavailable` when the store is unreachable.
        """
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
        """Lets the chat endpoint rewrite the prompt of the claimed job, and returns the checked result.

        Raises `NotEnhanced` when this fails.
        """
        if claim.attempt > self.max_attempts:
            raise NotEnhanced("worker_lost", "every worker that tried to enhance the prompt died", is_final=True)
        settings = claim.spec.settings
        body = self.endpoint.ask(messages(settings.prompt, is_edit=settings.is_edit))
        return checked(text_of(body), settings.prompt, self.max_chars)

    def _after_failure(self, claim: EnhancementClaim, error: NotEnhanced) -> None:
        """Records a failed attempt to enhance a prompt.

        Schedules a retry or, after the last attempt, queues the job with its original prompt.
        """
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
        fields: dict[str, Value] = {"job_id": claim.job_id, "attempt": claim.attempt, "outcome": outcome}
        span.end({f"gridpress.{name}": value for name, value in fields.items()}, error=error)
