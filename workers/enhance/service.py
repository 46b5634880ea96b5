"""Enhances one prompt: claims, asks, checks, writes. Knows nothing of Celery."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from shared.store.enhancements import EnhancementClaim, EnhancementStore
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
        try:
            revised = self._revised(claim)
        except NotEnhanced as error:
            self._after_failure(claim, error)
        except Exception:
            log.exception("enhancement.crashed", job_id=claim.job_id)
            self._after_failure(claim, NotEnhanced("internal_error", "the prompt could not be enhanced"))
        else:
            kept = self.enhancements.succeed(claim, revised)
            log.info("enhancement.done", job_id=claim.job_id, attempt=claim.attempt, kept=kept)
        return True

    def _revised(self, claim: EnhancementClaim) -> str:
        if claim.attempt > self.max_attempts:
            raise NotEnhanced("worker_lost", "the processes that were to enhance it ended", is_final=True)
        settings = claim.spec.settings
        body = self.endpoint.ask(messages(settings.prompt, is_edit=settings.is_edit))
        return checked(text_of(body), settings.prompt, self.max_chars)

    def _after_failure(self, claim: EnhancementClaim, error: NotEnhanced) -> None:
        log.warning("enhancement.failed", job_id=claim.job_id, attempt=claim.attempt, reason=error.reason)
        if error.is_final or claim.attempt >= self.max_attempts:
            self.enhancements.fail(claim, {"code": error.reason, "message": str(error)})
        else:
            self.enhancements.retry_later(claim, _RETRY_DELAY_S)
