"""Carries out one content check: asks the hook and stores the outcome. Starts no threads."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from shared.metrics.catalogue import CONTENT_CHECK_SECONDS, CONTENT_CHECKS
from shared.store.checks.checks import CheckClaim, CheckStore
from shared.tracing.span import Value
from shared.tracing.spans import begin_span
from workers.delivery.content.answers import answer_to
from workers.delivery.content.errors import NoVerdict
from workers.delivery.content.question import Question, Questions
from workers.delivery.content.verdict import Verdict

log = structlog.get_logger()


class Asked(Protocol):
    """The interface of a content hook: returns the verdict about a prompt or a picture, or raises `NoVerdict`."""

    def ask(self, question: Question) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class CheckService:
    """Carries out content checks. Thread-safe.

    `fails_open` says whether a prompt or picture counts as allowed if there is no verdict. `on_end` is called after
    each stored outcome, so that hints are sent.
    """

    checks: CheckStore
    questions: Questions
    prompt_hook: Asked | None
    picture_hook: Asked | None
    fails_open: bool
    on_end: Callable[[CheckClaim], None] = lambda _: None

    def check_one(self) -> bool:
        """Carries out the content check that is due first. Returns whether any was due.

        Raises `StoreUnavailable` when the store is unreachable. A leased check is due again when its lease ends.
        """
        claim = self.claim()
        if claim is None:
            return False
        self.carry_out(claim)
        return True

    def claim(self) -> CheckClaim | None:
        """Leases the content check that is due first. Returns None if none is due. Raises `StoreUnavailable`."""
        return self.checks.claim()

    def carry_out(self, claim: CheckClaim) -> None:
        """Asks the hook about a leased prompt or picture and stores the outcome. Raises `StoreUnavailable`."""
        began_s, began_ns, hook = time.monotonic(), time.time_ns(), _hook_of(claim)
        verdict, problem = answer_to(claim, self._ask, "content_check", hook=hook)
        outcome, record = self._recording_of(claim, verdict)
        if not record():
            outcome = "lost"
        CONTENT_CHECKS.labels(hook, outcome).inc()
        CONTENT_CHECK_SECONDS.labels(hook).observe(time.monotonic() - began_s)
        code = verdict.code if verdict else None
        log.info("content_check.done", hook=hook, outcome=outcome, attempt=claim.attempt, code=code, reason=problem)
        parent = claim.origin.trace if claim.origin else None
        if span := begin_span("check", parent=parent, began_at_ns=began_ns):
            fields: dict[str, Value] = {"job_id": claim.job_id, "hook": hook, "attempt": claim.attempt}
            fields["outcome"] = outcome
            span.end({f"gridpress.{name}": value for name, value in fields.items()}, error=problem)
        self.on_end(claim)

    def _ask(self, claim: CheckClaim) -> Verdict:
        hook = self.prompt_hook if claim.picture is None else self.picture_hook
        if hook is None:
            raise NoVerdict("no_hook", "this process has no content hook for the check: its URL is not set")
        return hook.ask(self.questions.of(claim))

    def _recording_of(self, claim: CheckClaim, verdict: Verdict | None) -> tuple[str, Callable[[], bool]]:
        """Returns the outcome as a label of the metrics, and a function that stores it."""
        if verdict is None and self.fails_open:
            return "unchecked", lambda: self.checks.allow(claim)
        if verdict is None:
            return "failed", lambda: self.checks.fail(claim, _failure(claim))
        if verdict.is_allowed:
            return "allowed", lambda: self.checks.allow(claim)
        return "rejected", lambda: self.checks.reject(claim, _refusal(claim, verdict))


def _hook_of(claim: CheckClaim) -> str:
    return "prompt" if claim.picture is None else "picture"


def _refusal(claim: CheckClaim, verdict: Verdict) -> Mapping[str, object]:
    message = f"the content policy refused the {_hook_of(claim)}"
    return {
        "code": "content_rejected",
        "message": f"{message}: {verdict.reason}" if verdict.reason else message,
        "stage": None if claim.picture is None else "dit",
        "retryable": False,
        "policy": {"code": verdict.code, "reason": verdict.reason},
    }


def _failure(claim: CheckClaim) -> Mapping[str, object]:
    """Returns the error for clients. It says nothing of the operator's network, as the log does."""
    return {
        "code": NoVerdict.code,
        "message": f"the {_hook_of(claim)} could not be checked by the content policy; a retry checks it again",
        "stage": None if claim.picture is None else "dit",
        "retryable": True,
    }
