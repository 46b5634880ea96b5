"""Carries out one text check: reads the text in a picture and stores the decision. Starts no threads."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from shared.errors import ObjectNotFound, ObjectStoreUnavailable
from shared.jobs.drawings import Drawing, Keep, Redraw, decide
from shared.jobs.text_check import Reading
from shared.metrics.catalogue import TEXT_CHECK_SECONDS, TEXT_CHECKS
from shared.objects.store import ObjectStore
from shared.responses.job import text_response
from shared.spelling.compare import has_quoted_words, reading_of
from shared.store.checks.checks import CheckClaim, TextCheckStore
from workers.delivery.content.answers import answer_to
from workers.delivery.content.errors import NoVerdict
from workers.delivery.texts.readers import TextReader

log = structlog.get_logger()

_UNREAD = "the text in the picture could not be read, so the picture was not drawn again"


@dataclass(frozen=True, slots=True)
class TextCheckService:
    """Carries out text checks. Thread-safe.

    `reader` is None if the operator has set none. `checks_content` says whether a content check of the picture follows.
    `on_end` is called after each stored decision with whether the picture is drawn again, so that hints are sent.
    """

    checks: TextCheckStore
    objects: ObjectStore
    reader: TextReader | None
    checks_content: bool
    on_end: Callable[[bool], None] = lambda _: None

    def check_one(self) -> bool:
        """Carries out the text check that is due first. Returns whether any was due.

        Raises `StoreUnavailable` when the store is unreachable. A leased check is due again when its lease ends.
        """
        claim = self.claim()
        if claim is None:
            return False
        self.carry_out(claim)
        return True

    def claim(self) -> CheckClaim | None:
        """Leases the text check that is due first. Returns None if none is due. Raises `StoreUnavailable`."""
        return self.checks.claim()

    def carry_out(self, claim: CheckClaim) -> None:
        """Reads the text in a picture and stores the decision. Raises `StoreUnavailable`."""
        assert claim.picture is not None
        assert claim.index is not None
        assert claim.seed is not None
        began_s = time.monotonic()
        reading, problem = answer_to(claim, self._read, "text_check")
        new = Drawing(picture=claim.picture, seed=claim.seed, reading=reading)
        error = {"code": "text_not_read", "message": _UNREAD} if problem else None
        decision = decide(claim.spec, claim.index, claim.drawings, new, used=claim.used, error=error)
        outcome = _outcome_of(decision) if self._record(claim, decision) else "lost"
        TEXT_CHECKS.labels(outcome).inc()
        TEXT_CHECK_SECONDS.observe(time.monotonic() - began_s)
        distance = reading.edit_distance if reading else None
        facts = {"attempt": claim.attempt, "num_redraws": claim.drawings.num_redraws, "reason": problem}
        log.info("text_check.done", outcome=outcome, seed=claim.seed, edit_distance=distance, **facts)
        self.on_end(isinstance(decision, Redraw))

    def _read(self, claim: CheckClaim) -> Reading:
        if self.reader is None:
            raise NoVerdict("no_reader", "this process has no text reader for the check: GRIDPRESS_TEXT_READER is none")
        prompt = claim.spec.settings.prompt
        if not has_quoted_words(prompt):
            raise NoVerdict("no_quoted_text", "the prompt quotes no text")
        best: Reading | None = None
        for text in self.reader.read(claim):
            found = reading_of(prompt, text)
            if best is None or found.is_match or found.edit_distance < best.edit_distance:
                best = found
            if best.is_match:
                break
        assert best, "a reader yields a text or raises"
        return best

    def _record(self, claim: CheckClaim, decision: Redraw | Keep) -> bool:
        if isinstance(decision, Redraw):
            return self.checks.redraw(claim, decision)
        self._complete_manifest(decision)
        return self.checks.keep(claim, decision, to_check=self.checks_content)

    def _complete_manifest(self, keep: Keep) -> None:
        """Adds the result and the usage of all drawings to the manifest of the picture that is kept.

        The picture is kept even if its manifest can't be written now.
        """
        key = keep.drawing.picture.manifest_key
        try:
            manifest = json.loads(self.objects.get(key))
            manifest["text_check"] = text_response(keep.result).model_dump(mode="json")
            if keep.used and isinstance(manifest.get("usage"), dict):
                amounts = keep.used.amounts.in_seconds()
                manifest["usage"] |= {name: amounts[name] for name in manifest["usage"] if name in amounts}
            self.objects.put(key, json.dumps(manifest, ensure_ascii=False).encode(), "application/json")
        except (ObjectNotFound, ObjectStoreUnavailable, ValueError) as error:
            log.warning("text_check.manifest_not_completed", key=key, error=str(error))


def _outcome_of(decision: Redraw | Keep) -> str:
    """Returns the outcome as a label of the metrics."""
    if isinstance(decision, Redraw):
        return "redrawn"
    if decision.result.error:
        return "unread"
    reading = decision.result.reading
    return "matched" if reading and reading.is_match else "best"
