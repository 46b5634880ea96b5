"""Every attempt is counted once, by how it ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from shared.ids import HolderId, JobId, WorkerId
from shared.jobs.spec import JobSpec
from shared.store.enhancements.enhancements import EnhancementClaim
from tests.shared.metrics.reading import counted
from tests.workers.engine.fakes import a_claim
from workers.enhance.errors import NotEnhanced
from workers.enhance.service import EnhanceService
from workers.stage.attempts import Attempts, End


def _ends(end: End) -> float:
    return counted("renders_total", stage=a_claim("kite").lease.stage.value, outcome=end.value)


def _timed() -> float:
    return counted("render_seconds_count", stage=a_claim("kite").lease.stage.value)


@pytest.mark.parametrize("end", list(End))
def test_an_attempt_is_counted_once_by_its_end(end: End) -> None:
    attempts, claim = Attempts(WorkerId("worker")), a_claim("kite")
    before, timed = _ends(end), _timed()
    attempts.begin(claim)
    attempts.end(claim.lease, end)
    attempts.end(claim.lease, End.LOST)  # said by the heartbeat, too late
    assert _ends(end) == before + 1
    assert _timed() - timed == (end in (End.SUCCEEDED, End.FAILED))


def test_a_lost_lease_is_counted_apart() -> None:
    attempts, claim = Attempts(WorkerId("worker")), a_claim("kite")
    before = counted("leases_lost_total", stage=claim.lease.stage.value)
    attempts.begin(claim)
    attempts.revoke(claim.lease, End.LOST)
    attempts.revoke(claim.lease, End.LOST)
    assert counted("leases_lost_total", stage=claim.lease.stage.value) == before + 1


@dataclass
class FakeEnhancements:
    """One claim after the other, and whether the job still takes what came of it."""

    attempt: int
    is_kept: bool = True

    def claim(self) -> EnhancementClaim:
        spec = JobSpec(settings=a_claim("a red kite").settings, n=1, seed=1)
        return EnhancementClaim(JobId("job"), spec, self.attempt, HolderId("holder"))

    def succeed(self, *_: object) -> bool:
        return self.is_kept

    def fail(self, *_: object) -> None: ...

    def retry_later(self, *_: object) -> None: ...


class FakeEndpoint:
    def __init__(self, answer: bytes | NotEnhanced) -> None:
        self._answer = answer

    def ask(self, _: Sequence[object]) -> bytes:
        if isinstance(self._answer, NotEnhanced):
            raise self._answer
        return self._answer


_REVISED = json.dumps(
    {"choices": [{"message": {"content": "a red kite over a bay"}, "finish_reason": "stop"}]}
).encode()
_REFUSED = NotEnhanced("endpoint_busy", "try again")


@pytest.mark.parametrize(
    ("enhancements", "answer", "outcome"),
    [
        (FakeEnhancements(1), _REVISED, "enhanced"),
        (FakeEnhancements(1, is_kept=False), _REVISED, "lost"),
        (FakeEnhancements(1), _REFUSED, "retry"),
        (FakeEnhancements(2), _REFUSED, "failed"),
    ],
)
def test_an_enhancement_is_counted_by_what_came_of_it(
    enhancements: FakeEnhancements, answer: bytes | NotEnhanced, outcome: str
) -> None:
    before = counted("enhancements_total", outcome=outcome)
    service = EnhanceService(enhancements, FakeEndpoint(answer), max_attempts=2, max_chars=200)  # type: ignore[arg-type]
    assert service.enhance_one()
    assert counted("enhancements_total", outcome=outcome) == before + 1
