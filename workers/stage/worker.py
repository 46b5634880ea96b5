"""Runs a GPU stage as a Celery worker: takes hints, passes claims to the engine and outcomes to the recorder, and
drains.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from shared.errors import LeaseLost, ObjectStoreUnavailable, StoreUnavailable
from shared.hints.celery_app import make_celery
from shared.hints.queues import Queue
from shared.hints.send import Hints
from shared.ids import RenderId, Revision, new_worker_id
from shared.jobs.leases import Claim, Handover, Held, Place
from shared.jobs.states import Stage
from shared.metrics.catalogue import ENGINE_STEP_SECONDS
from shared.process.logs import last_lines
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect_hasty
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore, Verdict
from workers.consumer.health import Hearing
from workers.consumer.hints import on_hint
from workers.consumer.serving import Served, abandon_process, leave_process, serve
from workers.device.gauges import show_slots
from workers.engine.drain import drain
from workers.engine.heartbeat import Heartbeat
from workers.engine.places import Places, Running
from workers.engine.slots import Slots
from workers.engine.stepper import Stepper, Unfinished
from workers.engine.thread import EngineThread
from workers.engine.watchdog import Watchdog
from workers.stage.asking import Asking, AskingPorts, LeadTime
from workers.stage.attempts import Attempts, End, show_ends
from workers.stage.recorder import Recorder, Write

log = structlog.get_logger()

Result = TypeVar("Result")
_BEAT_INTERVAL_S = 1.0  # also how fresh progress and cancellation are
_TRIES_PER_LEASE = 4  # a beat that is not answered leaves time for two more before the lease ends
_ENDS = {Verdict.CANCELLED: End.CANCELLED, Verdict.EXPIRED: End.EXPIRED, Verdict.LOST: End.LOST}


def _never(_: Exception) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a stage keeps what its renders have come to when the worker leaves.

    `take` is called on the engine thread. `store` raises `StoreUnavailable` and `ObjectStoreUnavailable`.
    """

    take: Callable[[RenderId], Unfinished | None]
    store: Callable[[LeaseStore, Claim, Unfinished], Handover]


@dataclass(frozen=True, slots=True)
class StageParts(Generic[Result]):
    """The parts that a stage's composition root provides.

    `prepare` fetches a claim's inputs while the engine runs other renders. `save` converts a result for storage, once,
    and returns a function that writes it under the claim's lease; that is repeated until it succeeds. `is_device_lost`
    recognises errors after which this process can no longer use the device. Without `keeping` a render that goes back
    starts the stage again.
    """

    stage: Stage
    places: Places
    revision: Revision
    stepper: Stepper[Result]
    prepare: Callable[[Claim], None]
    save: Callable[[LeaseStore, Claim, Result], Write]
    next_queue: Queue
    is_device_lost: Callable[[Exception], bool] = _never
    keeping: Keeping | None = None


def run_stage(parts: StageParts[Result], settings: Settings, client: Client) -> None:
    """Serves hints until SIGTERM or SIGINT, then drains; a second signal ends the process at once."""
    _StageWorker(parts, settings, client).run()


class _StageWorker(Generic[Result]):
    """The engine thread, the heartbeat and the recorder of one worker, and their connections."""

    def __init__(self, parts: StageParts[Result], settings: Settings, client: Client) -> None:
        assert settings.redis_url
        self._parts = parts
        self._settings = settings
        rules = LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min, settings.batch_floor)
        self._app = make_celery(settings.redis_url)
        self._hints = Hints(self._app, UpkeepStore(client))
        self._queue = Queue(parts.stage.value)
        # When a render leaves, the next stage has work, and this one has room for more.
        hints = [self._hints.messages[queue] for queue in (parts.next_queue, self._queue)]
        self._leases = LeaseStore(client, rules, hints)
        at_once = parts.places.at_once
        beat_timeout_s = settings.lease_ttl_s / _TRIES_PER_LEASE
        self._beats = LeaseStore(connect_hasty(settings.redis_url, beat_timeout_s), rules)
        self._announcement = Announcement(new_worker_id(parts.stage), self._queue, at_once, parts.revision)
        self._attempts = Attempts(self._announcement.worker_id)
        self._hearing = Hearing(at_once, self._queue)
        self._slots = Slots(parts.places, settings.result_buffer, self._on_room)
        self._lead = LeadTime()
        ports = AskingPorts(self._claim, self._begin, self._running, lambda: self._hints.send_one(self._queue))
        self._asking = Asking(self._slots, ports, self._lead)
        self._preparing = ThreadPoolExecutor(parts.places.most, thread_name_prefix="inputs")
        self._recorder = Recorder(
            self._leases,
            self._attempts,
            self._save,
            is_held=self._slots.holds,
            on_recorded=self._slots.release,
            num_threads=parts.places.most + settings.result_buffer,
        )
        watchdog = Watchdog(settings.hang_steps, settings.hang_floor_s)
        show_slots(parts.stage, self._slots)
        show_ends(parts.stage)
        kept = {"unfinished": parts.keeping.take} if parts.keeping else {}
        self._engine = EngineThread(
            parts.stepper,
            self._slots,
            self._recorder.submit,
            watchdog=watchdog,
            announce=self._announce,
            is_device_lost=parts.is_device_lost,
            on_lost=self._abandon,
            on_step=ENGINE_STEP_SECONDS.labels(parts.stage.value).observe,
            **kept,
        )
        self._heartbeat = Heartbeat(
            self._beat,
            held=self._engine.held,
            revoke=self._engine.revoke,
            is_alive=watchdog.is_satisfied,
            on_hang=self._abandon,
            interval_s=min(_BEAT_INTERVAL_S, settings.lease_ttl_s / 3),
        )

    def run(self) -> None:
        on_hint(self._app, self._queue, self._asking.hint, self._hearing)
        self._heartbeat.start()
        self._engine.start()
        served = Served(self._announcement, self._hearing, self._look, self._slots.close, self._asking.start)
        serve(self._app, served, self._settings.ready_file)
        drain(self._engine, self._slots, self._settings.drain_grace_s, self._hand_over)
        self._asking.stop()
        self._preparing.shutdown(wait=False, cancel_futures=True)
        self._recorder.close()
        self._heartbeat.stop()
        self._leases.leave(self._announcement)
        self._hints.send_one(self._queue)
        if self._engine.is_left_behind:
            leave_process()

    def _on_room(self) -> None:
        self._asking.wake()

    def _look(self) -> bool:
        return self._asking.ask() > 0

    def _running(self) -> Sequence[Running]:
        left_s = self._engine.left_s
        return [Running(claim.priority.rank, left_s(claim.render_id)) for claim, _ in self._slots.running()]

    def _claim(self, place: Place) -> Claim | None:
        return self._leases.claim(self._parts.stage, self._parts.revision, self._announcement.worker_id, place)

    def _begin(self, claim: Claim) -> None:
        self._attempts.begin(claim)
        self._preparing.submit(self._prepare, claim)
        if self._parts.places.preempts:
            self._send_back_behind(claim)

    def _send_back_behind(self, claim: Claim) -> None:
        """Hands back renders of lower classes that have not begun: an idle worker may come to them sooner."""
        for other, _ in self._slots.running():
            if other.priority.rank > claim.priority.rank and not self._engine.has_begun(other.lease):
                taken = self._engine.take_out(other.lease)
                taken.add_done_callback(partial(self._pass_on_taken, other))

    def _pass_on_taken(self, claim: Claim, taken: "Future[Unfinished | None]") -> None:
        """On the engine thread, which must not wait for the store."""
        self._preparing.submit(self._send_back, claim, taken)

    def _send_back(self, claim: Claim, taken: "Future[Unfinished | None]") -> None:
        """Unless it has ended in the step before it was taken out, or the worker drains it."""
        if any(running.lease == claim.lease for running, _ in self._slots.running()):
            self._hand_over(claim, taken.result())

    def _prepare(self, claim: Claim) -> None:
        """Fetches the claim's inputs and passes it to the engine. Its lease is renewed meanwhile."""
        began_s = time.monotonic()
        with bound_contextvars(**claim.log_ids):
            if not self._is_prepared(claim):
                return
        self._lead.note(time.monotonic() - began_s)
        self._engine.submit(claim)

    def _is_prepared(self, claim: Claim) -> bool:
        """Fetches the claim's inputs. Returns False, and hands the render back, while the object store is down."""
        try:
            self._parts.prepare(claim)
        except ObjectStoreUnavailable as error:
            log.warning("inputs.unavailable", error=str(error))
            self._asking.rest()
            self._hand_back(claim)
            self._slots.release(claim.lease)
            return False
        except Exception:  # the engine meets it again, and fails the render by name
            log.exception("inputs.broken")
        return True

    def _save(self, claim: Claim, result: Result) -> Write:
        return self._parts.save(self._leases, claim, result)

    def _announce(self) -> None:
        self._heartbeat.report()

    def _beat(self, held: Sequence[Held]) -> Mapping[RenderId, bool]:
        signs = replace(self._hearing.signs(), is_draining=self._slots.is_closed)
        verdicts = self._beats.beat(self._announcement, held, last_lines(), signs)
        for each in held:
            if end := _ENDS.get(verdicts[each.lease.render_id]):
                self._attempts.revoke(each.lease, end)
        return {render_id: verdict is Verdict.RENEWED for render_id, verdict in verdicts.items()}

    def _hand_over(self, claim: Claim, unfinished: Unfinished | None) -> None:
        """Hands a render back, with what it has come to where that can be stored."""
        handover = self._stored(claim, unfinished) if unfinished else None
        self._slots.release(claim.lease)  # before it is another's: a heartbeat would call it lost
        self._hand_back(claim, handover)

    def _stored(self, claim: Claim, unfinished: Unfinished) -> Handover | None:
        assert self._parts.keeping
        try:
            handover = self._parts.keeping.store(self._leases, claim, unfinished)
        except (StoreUnavailable, ObjectStoreUnavailable) as error:
            log.warning("render.not_handed_over", **claim.log_ids, error=str(error))
            return None
        log.info("render.handed_over", **claim.log_ids, steps=unfinished.num_done, bytes=len(unfinished.data))
        return handover

    def _hand_back(self, claim: Claim, handover: Handover | None = None) -> None:
        """Returns the render to its waiting state, without counting an attempt."""
        try:
            self._leases.hand_back(claim.lease, handover)
        except (LeaseLost, StoreUnavailable) as error:
            log.warning("render.not_handed_back", **claim.log_ids, error=str(error))
            self._attempts.end(claim.lease, End.LOST)
        else:
            self._attempts.end(claim.lease, End.HANDED_BACK)

    def _abandon(self) -> None:
        abandon_process(self._settings.ready_file)
