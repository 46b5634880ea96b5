"""A phase may last as long as its measured steps say, and never less than its floor."""

from workers.engine.watchdog import Phase, Watchdog

PATIENCE, FLOOR_S = 20.0, 60.0


def after(*steps_s: float) -> tuple[Watchdog, float]:
    """A watchdog that has seen steps of these durations and is in another, and the time at which that one began."""
    watchdog, now_s = Watchdog(PATIENCE, FLOOR_S), 0.0
    for step_s in steps_s:
        watchdog.enter(Phase.STEP, now_s)
        now_s += step_s
    watchdog.enter(Phase.STEP, now_s)
    return watchdog, now_s


def test_a_step_hangs_after_many_times_the_longest_measured_step() -> None:
    watchdog, began_s = after(1.0, 9.0, 2.0)
    assert watchdog.is_satisfied(began_s + PATIENCE * 9.0)
    assert not watchdog.is_satisfied(began_s + PATIENCE * 9.0 + 1)


def test_short_steps_never_make_it_nervous() -> None:
    watchdog, began_s = after(0.001, 0.002)
    assert watchdog.is_satisfied(began_s + FLOOR_S)
    assert not watchdog.is_satisfied(began_s + FLOOR_S + 1)


def test_a_long_step_is_forgotten_in_time() -> None:
    watchdog, began_s = after(100.0, *[0.01] * 100)
    assert not watchdog.is_satisfied(began_s + FLOOR_S + 1)


def test_a_first_step_may_compile_for_longer_than_a_step_and_is_not_measured() -> None:
    watchdog = Watchdog(PATIENCE, FLOOR_S)
    watchdog.enter(Phase.FIRST_STEP, 0.0)
    assert watchdog.is_satisfied(5 * FLOOR_S)
    watchdog.enter(Phase.STEP, 5 * FLOOR_S)
    assert not watchdog.is_satisfied(6 * FLOOR_S + 1)


def test_idling_never_hangs() -> None:
    watchdog, began_s = after(1.0)
    watchdog.enter(Phase.IDLE, began_s)
    assert watchdog.is_satisfied(1e9)


def test_waiting_again_and_again_is_one_wait() -> None:
    watchdog, now_s = after(0.1)
    for now_s in range(int(FLOOR_S) + 1):
        watchdog.enter(Phase.WAITING, float(now_s))
        watchdog.enter(Phase.ADMISSION, float(now_s))
        watchdog.enter(Phase.WAITING, float(now_s))
    assert watchdog.is_satisfied(FLOOR_S)
    assert not watchdog.is_satisfied(FLOOR_S + 1)


def test_a_step_after_a_wait_has_all_its_time_and_so_has_the_next_wait() -> None:
    watchdog, _ = after(0.1)
    watchdog.enter(Phase.WAITING, 1.0)
    for phase in (Phase.STEP, Phase.WAITING):
        watchdog.enter(phase, FLOOR_S)
        assert watchdog.is_satisfied(2 * FLOOR_S)


def test_a_wait_is_not_measured_as_a_step() -> None:
    watchdog, _ = after(0.1)
    watchdog.enter(Phase.WAITING, 1.0)
    watchdog.enter(Phase.STEP, FLOOR_S)
    assert not watchdog.is_satisfied(2 * FLOOR_S + 1)
