"""When a worker counts as deaf, and what it does then."""

import pytest
from redis.exceptions import ConnectionError as BrokerConnectionError

from shared.errors import StoreUnavailable
from shared.hints.queues import Queue
from workers.consumer import health as hearing_module
from workers.consumer import polling as lookout_module
from workers.consumer.health import HintHealth
from workers.consumer.polling import Poller
from workers.consumer.reconnecting import SteadyConsumer

pytestmark = pytest.mark.attack


class Clock:
    """Monotonic time that passes when told to; the consumer asks when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.asked_at_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    @property
    def ago_s(self) -> float:
        return self.now_s - self.asked_at_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(hearing_module, "time", made)
    monkeypatch.setattr(hearing_module, "last_poll", made)
    return made


@pytest.fixture
def hint_health(clock: Clock) -> HintHealth:
    return HintHealth(slots=2, queue=Queue.AR)


def consumer_of(hint_health: HintHealth) -> SteadyConsumer:
    consumer = object.__new__(SteadyConsumer)  # its constructor wants a whole worker
    consumer._hint_health = hint_health
    return consumer


def test_a_worker_that_could_take_a_hint_and_asks_for_none_is_silent(hint_health: HintHealth, clock: Clock) -> None:
    clock.now_s += 60
    with hint_health.hint():
        assert hint_health.silent_s == 60
        clock.asked_at_s = clock.now_s
        assert hint_health.silent_s == 0


def test_a_full_worker_is_not_silent_and_has_its_time_once_it_has_room(hint_health: HintHealth, clock: Clock) -> None:
    with hint_health.hint(), hint_health.hint():
        clock.now_s += 60
        assert hint_health.silent_s == 0
    clock.now_s += 1
    assert hint_health.silent_s == 1


def test_a_silent_consumer_begins_anew_and_is_given_its_time_again(hint_health: HintHealth, clock: Clock) -> None:
    consumer = consumer_of(hint_health)
    consumer.check_asking()
    clock.now_s += 11
    with pytest.raises(BrokerConnectionError):
        consumer.check_asking()
    clock.now_s += 9
    consumer.check_asking()
    assert hint_health.signs().num_restarts == 1
    assert hint_health.signs().silent_s == 20  # what the operator reads is not forgiven
    clock.now_s += 2
    with pytest.raises(BrokerConnectionError):
        consumer.check_asking()


def test_an_idle_worker_looks_until_it_finds_no_more(hint_health: HintHealth, clock: Clock) -> None:
    found = iter([True, True, False])
    clock.now_s += lookout_module._EVERY_S
    assert Poller(lambda: next(found), hint_health).poll_once() == 2
    assert hint_health.signs().num_found == 2


def test_a_worker_that_hears_does_not_look(hint_health: HintHealth) -> None:
    with hint_health.hint():
        pass

    def look() -> bool:
        raise AssertionError("it was told all there is")

    assert Poller(look, hint_health).poll_once() == 0


def test_a_store_that_is_away_ends_a_look_and_not_the_lookout(
    hint_health: HintHealth, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout_module, "_EVERY_S", 0.0)
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            lookout.stop()
        raise StoreUnavailable("away")

    lookout = Poller(look, hint_health)
    lookout.start()
    lookout._thread.join(30)
    assert looks == 3
