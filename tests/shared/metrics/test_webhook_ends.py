"""Every webhook attempt is counted once, by what it came to."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from shared.errors import JobNotFound, StoreUnavailable
from shared.ids import DEFAULT_TENANT, HolderId, JobId
from shared.store.webhooks.deliveries import AttemptResult, Delivery, ReceiverClass
from tests.shared.metrics.reading import counted
from workers.delivery.message import Outgoing
from workers.delivery.service import DeliveryService
from workers.delivery.webhook import Outcome

TIMEOUT_S = 15.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DELIVERY = Delivery(
    "evt_1",
    "own",
    1,
    DEFAULT_TENANT,
    "job.succeeded",
    JobId("job"),
    NOW,
    1,
    "",
    ReceiverClass.NEW,
    0,
    HolderId("holder"),
)
OUTCOMES = ("delivered", "retry", "failed", "cut_short", "dropped", "late", "unrecorded")


@dataclass
class FakeDeliveries:
    """A store of deliveries that is up, away, or has given the lease to another process."""

    answer: bool | Exception = True

    def _answered(self, *_: object, **__: object) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    delivered = cut_short = abandon = retry_later = drop = _answered


@dataclass
class FakeComposer:
    is_gone: bool = False

    def compose(self, _: Delivery) -> Outgoing:
        if self.is_gone:
            raise JobNotFound("no such job")
        return Outgoing("http://receiver/", {}, "{}")


@dataclass
class FakeSender:
    outcome: Outcome

    def send(self, *_: object) -> Outcome:
        return self.outcome


def answers(status: int | None, *, is_timeout: bool = False) -> FakeSender:
    return FakeSender(Outcome(AttemptResult("http://receiver/", NOW, 0.1, status, "", ""), is_timeout=is_timeout))


@pytest.mark.parametrize(
    ("deliveries", "composer", "sender", "longest_s", "outcome"),
    [
        (FakeDeliveries(), FakeComposer(), answers(204), TIMEOUT_S, "delivered"),
        (FakeDeliveries(), FakeComposer(), answers(500), TIMEOUT_S, "retry"),
        (FakeDeliveries(), FakeComposer(), answers(410), TIMEOUT_S, "failed"),
        (FakeDeliveries(), FakeComposer(), answers(None, is_timeout=True), 1.0, "cut_short"),
        (FakeDeliveries(), FakeComposer(is_gone=True), answers(204), TIMEOUT_S, "dropped"),
        (FakeDeliveries(False), FakeComposer(), answers(204), TIMEOUT_S, "late"),
        (FakeDeliveries(StoreUnavailable("away")), FakeComposer(), answers(204), TIMEOUT_S, "unrecorded"),
    ],
)
def test_an_attempt_is_counted_once(
    deliveries: FakeDeliveries, composer: FakeComposer, sender: FakeSender, longest_s: float, outcome: str
) -> None:
    before = {each: counted("webhook_attempts_total", outcome=each) for each in OUTCOMES}
    service = DeliveryService(deliveries, composer, sender, TIMEOUT_S)  # type: ignore[arg-type]
    try:
        service.carry_out(DELIVERY, longest_s)
    except StoreUnavailable:
        assert outcome == "unrecorded"
    after = {each: counted("webhook_attempts_total", outcome=each) for each in OUTCOMES}
    assert {each: after[each] - before[each] for each in OUTCOMES} == {each: each == outcome for each in OUTCOMES}
