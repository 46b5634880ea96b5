"""Runs a GPU stage as a Celery worker: hints in, claims to the engine, outcomes to the recorder, a drain at the end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from shared.celery_app import make_celery
from shared.errors import LeaseLost, ObjectStoreUnavailable, StoreUnavailable
from shared.hints import Hints
from shared.ids import RenderId, Revision, new_worker_id
from shared.jobs import Claim, Lease, Progress
from shared.messages import Hint
from shared.queues import Queue
from shared.settings import Settings
from shared.states import Stage
from shared.store.connect import Client
from shared.store.leases import Announcement, LeaseRules, LeaseStore, Verdict
from shared.store.upkeep import UpkeepStore
from workers.engine.heartbeat import Heartbeat
from workers.engine.stepper import Stepper
from workers.engine.thread import EngineThread
from workers.serving import serve
from workers.stage.recorder import Recorder

log = structlog.get_logger()

Result = TypeVar("Result")
_SLOT_WAIT_S = 20.0  # well under the hints' visibility timeout: a hint that found no slot ends, it is never redelivered
_BEAT_INTERVAL_S = 1.0  # also how fresh progress and cancellation are


@dataclass(frozen=True, slots=True)
class StageParts(Generic[Result]):
    """What a stage's composition root provides.

    `prepare` fetches a claim's inputs while the engine steps others; `save` writes a result under its claim's lease.
    """

    stage: Stage
    slots: int
    revision: Revision
    stepper: Stepper[Result]
    prepare: Callable[[Claim], None]
    save: Callable[[LeaseStore, Claim, Result], None]
    next_queue: Queue


def run_stage(parts: StageParts[Result], settings: Settings, client: Client) -> None:
    """Serves hints until SIGTERM or SIGINT, then drains; a second signal ends the process at once."""
    assert settings.redis_url
    leases = LeaseStore(client, LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min))
    app = make_celery(settings.redis_url)
    hints = Hints(app, UpkeepStore(client))
    own_queue = Queue(parts.stage.value)
    worker = Announcement(new_worker_id(parts.stage), own_queue, parts.slots, parts.revision)

    def on_recorded(render_id: RenderId) -> None:
        engine.release(render_id)
        hints.send_one(parts.next_queue)
        hints.send_one(own_queue)

    def save(claim: Claim, result: Result) -> None:
        parts.save(leases, claim, result)

    def beat(held: Sequence[tuple[Lease, Progress]]) -> Mapping[RenderId, bool]:
        return {render_id: verdict is Verdict.RENEWED for render_id, verdict in leases.beat(worker, held).items()}

    recorder = Recorder(leases, save, on_recorded=on_recorded, num_threads=parts.slots)
    engine = EngineThread(parts.stepper, parts.slots, recorder.submit)
    heartbeat = Heartbeat(
        beat,
        held=engine.held,
        revoke=engine.revoke,
        is_alive=engine.watchdog.is_satisfied,
        interval_s=min(_BEAT_INTERVAL_S, settings.lease_ttl_s / 3),
    )

    @app.task(name=own_queue.task)  # type: ignore[untyped-decorator, unused-ignore]
    def take(hint: Mapping[str, Any]) -> None:
        Hint.model_validate(hint)
        try:
            engine.take(lambda: _claim(leases, parts), _SLOT_WAIT_S)
        except StoreUnavailable as error:
            log.warning("claim.failed", error=str(error))

    heartbeat.start()
    engine.start()
    serve(app, own_queue, parts.slots, settings.ready_file, engine.refuse_work)
    engine.drain(settings.drain_grace_s, lambda claim: _hand_back(leases, claim))
    recorder.close()
    heartbeat.stop()
    leases.leave(worker)
    hints.send_one(own_queue)


def _claim(leases: LeaseStore, parts: StageParts[Any]) -> Claim | None:
    """A claim with its inputs at hand. While the object store is away the render goes back and waits."""
    claim = leases.claim(parts.stage, parts.revision)
    if claim is None:
        return None
    try:
        parts.prepare(claim)
    except ObjectStoreUnavailable as error:
        log.warning("inputs.unavailable", render_id=claim.render_id, error=str(error))
        _hand_back(leases, claim)
        return None
    return claim


def _hand_back(leases: LeaseStore, claim: Claim) -> None:
    """To the state it waited in, without counting as an attempt."""
    try:
        leases.hand_back(claim.lease)
        log.info("render.handed_back", render_id=claim.render_id)
    except (LeaseLost, StoreUnavailable) as error:
        log.warning("render.not_handed_back", render_id=claim.render_id, error=str(error))
