"""Runs a GPU stage as a Celery worker. It receives hints (messages that wake workers), passes claims to the engine and
outcomes to the recorder, and drains at the end.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from shared.celery_app import make_celery
from shared.errors import LeaseLost, ObjectStoreUnavailable, StoreUnavailable
from shared.hints.queues import Queue
from shared.ids import RenderId, Revision, new_worker_id
from shared.jobs.leases import Claim, Handover, RenderReport, Vacancy
from shared.jobs.states import Stage
from shared.metrics.catalogue import ENGINE_STEP_SECONDS
from shared.process.logs import last_lines
from shared.schedule.sizes import ANY_SIZE, Sizes
from shared.schedule.worker_health import Machine
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect_with_timeout
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore, Verdict
from workers.consumer.health import HintHealth
from workers.consumer.hints import on_hint
from workers.consumer.serving import Served, abandon_process, leave_process, serve
from workers.device.gauges import show_slots
from workers.engine.drain import drain, empty
from workers.engine.heartbeat import Heartbeat
from workers.engine.places import Places, Running
from workers.engine.slots import Slots
from workers.engine.stepper import Stepper, Unfinished
from workers.engine.thread import EngineThread
from workers.engine.watchdog import Watchdog
from workers.stage.attempts import Attempts, End, show_ends
from workers.stage.claiming import Claimer, ClaimerPorts, LeadTime
from workers.stage.operator_drain import OperatorDrain
from workers.stage.recorder import Recorder, Write
from workers.stage.reuse import Reuse

log = structlog.get_logger()

Result = TypeVar("Result")
_BEAT_INTERVAL_S = 2.0  # progress and cancellations are delayed by up to this time
_TRIES_PER_LEASE = 4  # a heartbeat that times out leaves time for two more before the lease expires
_ENDS = {Verdict.CANCELLED: End.CANCELLED, Verdict.EXPIRED: End.EXPIRED, Verdict.LOST: End.LOST}


def _never(_: Exception) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class HandoverPorts:
    """The functions with which a draining worker saves the state of its unfinished renders.

    `take` returns a render's saved state and is called on the engine thread. `store` stores that state. `store` raises
    `StoreUnavailable` and `ObjectStoreUnavailable`.
    """

    take: Callable[[RenderId], Unfinished | None]
    store: Callable[[LeaseStore, Claim, Unfinished], Handover]


@dataclass(frozen=True, slots=True)
class StageParts(Generic[Result]):
    """The parts of a worker that differ between the AR and the DiT stage.

    - `prepare` fetches a claim's inputs while the engine runs other renders.
    - `save` converts a result for storage, once. Its last argument is the seconds of the device that the render took.
      It returns a function that writes the result under the claim's lease and that is called again until it succeeds.
    - `is_device_lost` recognises errors after which this process can no longer use the device.
    - `handover_ports` save the state of unfinished renders. If they are None, a render that is handed back starts its
      stage again.
    - `device` is the name of the device for people, such as `NVIDIA H100` or `cpu`.
    - `sizes` are the sizes of renders that fit into the device's memory. The worker claims no others.
    - `reuse` ends renders with copies of earlier pictures, before their inputs are fetched. The DiT has none.
    """

    stage: Stage
    places: Places
    revision: Revision
    stepper: Stepper[Result]
    prepare: Callable[[Claim], None]
    save: Callable[[LeaseStore, Claim, Result, float], Write]
    next_queue: Queue
    is_device_lost: Callable[[Exception], bool] = _never
    handover_ports: HandoverPorts | None = None
    device: str = ""
    reuse: Reuse | None = None
    sizes: Sizes = ANY_SIZE


def run_stage(parts: StageParts[Result], settings: Settings, client: Client) -> None:
    """Runs a stage's worker until SIGTERM or SIGINT, then drains it. A second signal ends the process at once."""
    _StageWorker(parts, settings, client).run()


class _StageWorker(Generic[Result]):
    """One worker of a stage: its engine thread, heartbeat, claimer, recorder and connections."""

    def __init__(self, parts: StageParts[Result], settings: Settings, client: Client) -> None:
        assert settings.redis_url
        self._parts = parts
        self._settings = settings
        rules = LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min, settings.batch_floor)
        self._app = make_celery(settings.redis_url)
        self._hints = Hints(self._app, UpkeepStore(client))
        self._queue = Queue(parts.stage.value)
        # When a render leaves the stage, the next stage has work, and this stage has a free place.
        # A reused picture also ends its render, and then its job has a manifest or message to deliver.
        ends = () if parts.reuse is None else (Queue.DELIVERY,)
        hints = [self._hints.messages[queue] for queue in (parts.next_queue, self._queue, *ends)]
        self._leases = LeaseStore(client, rules, hints)
        at_once = parts.places.at_once
        beat_timeout_s = settings.lease_ttl_s / _TRIES_PER_LEASE
        self._beats = LeaseStore(connect_with_timeout(settings.redis_url, beat_timeout_s), rules)
        name = new_worker_id(parts.stage)
        model = settings.served_model_name
        self._announcement = Announcement(name, self._queue, at_once, parts.revision, model, parts.sizes)
        self._attempts = Attempts(self._announcement.worker_id)
        self._hint_health = HintHealth(at_once, self._queue)
        self._slots = Slots(parts.places, settings.result_buffer, self._on_room)
        self._lead = LeadTime()
        ports = ClaimerPorts(self._claim, self._begin, self._running, lambda: self._hints.send_one(self._queue))
        self._claimer = Claimer(self._slots, ports, self._lead, claims_all_sizes=parts.sizes == ANY_SIZE)
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
        kept = {"unfinished": parts.handover_ports.take} if parts.handover_ports else {}
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
        self._operator_drain = OperatorDrain(self._slots, self._empty)
        self._heartbeat = Heartbeat(
            self._beat,
            held=self._engine.held,
            revoke=self._engine.revoke,
            is_alive=watchdog.is_satisfied,
            on_hang=self._abandon,
            interval_s=min(_BEAT_INTERVAL_S, settings.lease_ttl_s / 3),
        )

    def run(self) -> None:
        log.info("worker.sizes", largest=self._parts.sizes.largest_picture.words, sizes=self._parts.sizes.text)
        on_hint(self._app, self._queue, self._claimer.hint, self._hint_health)
        self._heartbeat.start()
        self._engine.start()
        served = Served(self._announcement, self._hint_health, self._find_work, self._shut_down, self._claimer.start)
        serve(self._app, served, self._settings)
        drain(self._engine, self._slots, self._operator_drain.join(self._settings.drain_grace_s), self._hand_over)
        self._claimer.stop()
        self._preparing.shutdown(wait=False, cancel_futures=True)
        self._recorder.close()
        self._heartbeat.stop()
        self._leases.leave(self._announcement)
        self._hints.send_one(self._queue)
        if self._engine.is_left_behind:
            leave_process()

    def _shut_down(self) -> None:
        self._operator_drain.stop()
        self._slots.close()

    def _empty(self) -> None:
        empty(self._engine, self._slots, self._settings.drain_grace_s, self._hand_over)

    def _on_room(self) -> None:
        self._claimer.wake()

    def _find_work(self) -> bool:
        return self._claimer.claim_all() > 0

    def _running(self) -> Sequence[Running]:
        left_s = self._engine.left_s
        return [Running(claim.priority.rank, left_s(claim.render_id)) for claim, _ in self._slots.running()]

    def _claim(self, place: Vacancy) -> Claim | None:
        parts, worker = self._parts, self._announcement.worker_id
        return self._leases.claim(parts.stage, parts.revision, worker, place, parts.sizes)

    def _begin(self, claim: Claim) -> None:
        self._attempts.begin(claim)
        self._preparing.submit(self._prepare, claim)
        if self._parts.places.preempts:
            self._send_back_behind(claim)

    def _send_back_behind(self, claim: Claim) -> None:
        """After a claim, hands back those renders of lower classes that this worker has not begun. An idle worker may
        run them sooner.
        """
        for other, _ in self._slots.running():
            if other.priority.rank > claim.priority.rank and not self._engine.has_begun(other.lease):
                taken = self._engine.take_out(other.lease)
                taken.add_done_callback(partial(self._pass_on_taken, other))

    def _pass_on_taken(self, claim: Claim, taken: "Future[Unfinished | None]") -> None:
        """Runs `_send_back` on another thread, because `_send_back` calls the store.

        This callback itself runs on the engine thread, which must not wait for the store.
        """
        self._preparing.submit(self._send_back, claim, taken)

    def _send_back(self, claim: Claim, taken: "Future[Unfinished | None]") -> None:
        """Hands a render back after the engine has dropped it. Does nothing if the render has already ended, or was
        handed over by the drain.
        """
        if any(running.lease == claim.lease for running, _ in self._slots.running()):
            self._hand_over(claim, taken.result())

    def _prepare(self, claim: Claim) -> None:
        """Fetches the claim's inputs and passes the claim to the engine. The claim's lease is renewed meanwhile."""
        began_s = time.monotonic()
        with bound_contextvars(**claim.log_ids):
            if self._is_reused(claim) or not self._is_prepared(claim):
                return
        self._lead.note(time.monotonic() - began_s)
        self._engine.submit(claim)

    def _is_reused(self, claim: Claim) -> bool:
        """Ends the render with a copy of an earlier picture, if there is one. Returns whether it needs no more work."""
        reuse = self._parts.reuse
        if reuse is None or not (end := reuse.end_of(self._leases, claim)):
            return False
        self._attempts.end(claim.lease, end)
        self._slots.release(claim.lease)
        return True

    def _is_prepared(self, claim: Claim) -> bool:
        """Fetches the claim's inputs. Returns whether the render can go on. If the object store is unreachable, hands
        the render back and returns False.
        """
        try:
            self._parts.prepare(claim)
        except ObjectStoreUnavailable as error:
            log.warning("inputs.unavailable", error=str(error))
            self._claimer.rest()
            self._hand_back(claim)
            self._slots.release(claim.lease)
            return False
        except Exception:  # the engine gets the same error again and fails the render with a reason
            log.exception("inputs.broken")
        return True

    def _save(self, claim: Claim, result: Result, device_s: float) -> Write:
        return self._parts.save(self._leases, claim, result, device_s)

    def _announce(self) -> None:
        self._heartbeat.report()

    def _beat(self, held: Sequence[RenderReport]) -> Mapping[RenderId, bool]:
        machine = Machine(self._parts.device, self._engine.step_times.mean_s)
        signs = replace(self._hint_health.signs(), is_draining=self._slots.is_closed, machine=machine)
        # A worker that an operator drains offers no slots to estimates and autoscalers.
        announced = replace(self._announcement, slots=0) if self._operator_drain.is_on else self._announcement
        verdicts = self._beats.beat(announced, held, last_lines(), signs)
        self._operator_drain.follow(is_wanted=self._beats.is_drained(announced.worker_id))
        for each in held:
            if end := _ENDS.get(verdicts[each.lease.render_id]):
                self._attempts.revoke(each.lease, end)
        return {render_id: verdict is Verdict.RENEWED for render_id, verdict in verdicts.items()}

    def _hand_over(self, claim: Claim, unfinished: Unfinished | None) -> None:
        """Hands a render back, with its saved state if there is one and the object store accepts it."""
        handover = self._stored(claim, unfinished) if unfinished else None
        # Released before another worker can claim the render: otherwise a heartbeat would report the lease as lost.
        self._slots.release(claim.lease)
        self._hand_back(claim, handover)

    def _stored(self, claim: Claim, unfinished: Unfinished) -> Handover | None:
        assert self._parts.handover_ports
        try:
            handover = self._parts.handover_ports.store(self._leases, claim, unfinished)
        except (StoreUnavailable, ObjectStoreUnavailable) as error:
            log.warning("render.not_handed_over", **claim.log_ids, error=str(error))
            return None
        log.info("render.handed_over", **claim.log_ids, steps=unfinished.num_done, bytes=len(unfinished.data))
        return handover

    def _hand_back(self, claim: Claim, handover: Handover | None = None) -> None:
        """Returns a render to its queue, where it waits for another claim. This does not count as an attempt."""
        try:
            self._leases.hand_back(claim.lease, handover)
        except (LeaseLost, StoreUnavailable) as error:
            log.warning("render.not_handed_back", **claim.log_ids, error=str(error))
            self._attempts.end(claim.lease, End.LOST)
        else:
            self._attempts.end(claim.lease, End.HANDED_BACK)

    def _abandon(self) -> None:
        abandon_process(self._settings.ready_file)
