"""Converts between the store's hashes and the value objects of `shared`. Only this module knows the names of hash
fields.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from shared.batches.batch import LineJob
from shared.ids import Fence, HolderId, JobId, ObjectKey, RenderId, Revision, WorkerId, render_id
from shared.jobs.bucket_copy import BucketCopy
from shared.jobs.dead_letters import Crash, DeadLetter
from shared.jobs.drawings import Drawings
from shared.jobs.enhancement import Enhancement, EnhancementStatus
from shared.jobs.job import ClientName, EndedIn, Job, Picture, PriorSource, Render
from shared.jobs.leases import Claim, Handover, Lease, LostAttempt, Progress, RenderReport
from shared.jobs.spec import JobSpec
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.jobs.token_grid import Prior
from shared.models.routes import ANY_ROUTE, Route
from shared.schedule.cost import DEFAULT_COSTS, CostModel
from shared.schedule.sizes import size_class
from shared.tracing.origin import Origin
from shared.webhooks.events import ENDS

Hash = Mapping[str, str]

_MAX_LINES, _MAX_LINE_CHARS = 20, 300


def job_of(job_id: JobId, job: Hash, renders: Sequence[Render]) -> Job:
    """Returns a job, made from its hash in the store and its renders in order of index."""
    return Job(
        job_id=job_id,
        spec=kept_for(JobSpec.model_validate_json(job["spec"]), job.get("delete_after_ms")),
        status=JobStatus(job["status"]),
        revision=Revision(job["revision"]),
        renders=tuple(renders),
        created_at=_time(job["created_ms"]),
        started_at=_optional_time(job, "started_ms"),
        finished_at=_optional_time(job, "finished_ms"),
        enhancement=_enhancement_of(job),
        origin=Origin.parse(job.get("origin")),
        is_canary="canary" in job,
        bucket_copy=BucketCopy.of(job),
    )


def kept_for(spec: JobSpec, delete_after_ms: str | int | None) -> JobSpec:
    """Returns the spec with the `delete_after_s` that counts for the job. It is the tenant's default if the request has
    none. '' and None mean that the job is not deleted.
    """
    if not delete_after_ms:
        return spec
    return spec.model_copy(update={"delete_after_s": int(delete_after_ms) // 1000})


def new_job(
    job_id: JobId,
    spec: JobSpec,
    created_ms: int,
    source: PriorSource | None,
    origin: Origin | None = None,
    *,
    is_canary: bool = False,
) -> Job:
    """Returns the job that `submit.lua` has just written, without reading it from the store."""
    created_at = _time(str(created_ms))
    return Job(
        job_id=job_id,
        spec=spec,
        status=JobStatus.QUEUED,
        revision=source.revision if source else Revision(""),
        renders=tuple(_new_render(job_id, spec, index, created_at, source) for index in range(spec.n)),
        created_at=created_at,
        started_at=None,
        finished_at=None,
        enhancement=Enhancement(EnhancementStatus.PENDING) if spec.enhance_prompt else None,
        origin=origin,
        is_canary=is_canary,
    )


def _new_render(job_id: JobId, spec: JobSpec, index: int, created_at: datetime, source: PriorSource | None) -> Render:
    return Render(
        render_id=render_id(job_id, index),
        index=index,
        state=RenderState.PRIOR_READY if source else RenderState.QUEUED,
        seed=spec.seed_of(index),
        progress=None,
        picture=None,
        error=None,
        ended_in=None,
        attempts=0,
        prior_started_at=None,
        prior_ready_at=created_at if source else None,
        decode_started_at=None,
        finished_at=None,
        decoded_at=None,
    )


def _enhancement_of(job: Hash) -> Enhancement | None:
    if "enhancement" not in job:
        return None
    error = json.loads(job["enhancement_error"]) if "enhancement_error" in job else None
    return Enhancement(EnhancementStatus(job["enhancement"]), job.get("revised_prompt"), error)


def render_of(render_id: RenderId, render: Hash) -> Render:
    """Returns a render, made from its hash in the store."""
    return Render(
        render_id=render_id,
        index=int(render["index"]),
        state=RenderState(render["state"]),
        seed=int(render["seed"]),
        progress=Progress(int(render["done"]), int(render["total"])) if "total" in render else None,
        picture=decode_picture(render["picture"]) if "picture" in render else None,
        error=json.loads(render["error"]) if "error" in render else None,
        ended_in=EndedIn(render["ended_in"]) if "ended_in" in render else None,
        attempts=sum(int(render.get(f"{stage}_attempts", 0)) for stage in Stage),
        prior_started_at=_optional_time(render, "prior_running_ms"),
        prior_ready_at=_optional_time(render, "prior_ready_ms"),
        decode_started_at=_optional_time(render, "decode_running_ms"),
        finished_at=_optional_time(render, "finished_ms"),
        decoded_at=_optional_time(render, "checking_ms"),
        reused_from=RenderId(render["reused_from"]) if "reused_from" in render else None,
        text=Drawings.parse(render.get("text")).result,
    )


def claim_of(answer: Sequence[str], stage: Stage, holder: HolderId, revision: Revision) -> Claim:
    """Returns the claim of a render, made from the result of `claim.lua`. If the job's prompt was enhanced, the claim
    has the enhanced prompt.
    """
    render, fence, job, index, seed, spec_json, revised_prompt, prior, origin, attempt, waited_ms, *rest = answer
    latents, facts, prior_engine, ar_device_ms, *lost = rest
    if stage is Stage.DIT and not prior:
        raise ValueError("no token grid")
    spec = JobSpec.model_validate_json(spec_json)
    settings = spec.settings.model_copy(update={"prompt": revised_prompt}) if revised_prompt else spec.settings
    return Claim(
        lease=Lease(RenderId(render), stage, Fence(int(fence)), holder),
        job_id=JobId(job),
        index=int(index),
        settings=settings,
        seed=int(seed),
        revision=revision,
        prior=decode_prior(prior) if prior else None,
        priority=spec.priority,
        partial_images=spec.partial_images,
        handover=_handover_of(latents, facts),
        prior_engine=_facts_of(prior_engine),
        ar_device_s=None if spec.prior else int(ar_device_ms or 0) / 1000,
        tenant=spec.tenant,
        reuse=spec.reuse and spec.prior is None and spec.text_check is None,
        checks_text=spec.text_check is not None,
        origin=Origin.parse(origin),
        attempt=int(attempt),
        waited_s=int(waited_ms) / 1000,
        lost=_lost_attempt_of(*lost) if lost else None,
    )


def handover_fields(handover: Handover) -> Mapping[str, str]:
    """Returns the fields of a render's hash that describe a handover. They tell the render's next worker where the
    saved latents are.
    """
    return {
        "handover": handover.key,
        "handover_facts": json.dumps({"sha256": handover.sha256, "num_done": handover.num_done}),
    }


def _handover_of(key: str, facts: str) -> Handover | None:
    """Parses the fields that `handover_fields` wrote into a render's hash. They say where another worker saved the
    latents. Returns None if the fields can't be read: the render then starts at its first step.
    """
    try:
        known = json.loads(facts)
        return Handover(ObjectKey(key), str(known["sha256"]), int(known["num_done"]))
    except (ValueError, TypeError, KeyError):
        return None


def _facts_of(text: str) -> Mapping[str, str]:
    """Returns facts that are only for people, from JSON. Returns none if they are missing or can't be read."""
    try:
        facts = json.loads(text)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in facts.items()} if isinstance(facts, dict) else {}


def _lost_attempt_of(worker: str, lasted_ms: str, ago_ms: str) -> LostAttempt:
    return LostAttempt(WorkerId(worker), int(lasted_ms) / 1000, int(ago_ms) / 1000)


def lane_of(spec: JobSpec, revision: str) -> str:
    """Returns the name of a job's lane, as lanes.lua describes it."""
    return "|".join(filter(None, [f"{spec.priority}|{spec.tenant}|{revision}", size_class(spec.settings).name]))


def submission_options(
    spec: JobSpec,
    name: ClientName | None,
    source: PriorSource | None,
    line: LineJob | None = None,
    origin: Origin | None = None,
    *,
    costs: CostModel = DEFAULT_COSTS,
    idempotency: str = "",
    checks_prompt: bool = False,
    route: Route = ANY_ROUTE,
) -> str:
    """Returns the options of a new job as JSON, as the script `submit.lua` expects them. `checks_prompt` says whether a
    content hook must allow the prompt first.
    """
    start_timeout_ms, execution_timeout_ms, deadline_ms = limits_ms(spec)
    cost = costs.cost_of(spec.settings)
    return json.dumps(
        {
            "class": spec.priority,
            "size": size_class(spec.settings).name,
            "handicap_ms": spec.priority.handicap_s * 1000,
            "ar_cost": cost.ar,
            "dit_cost": cost.dit,
            "start_timeout_ms": start_timeout_ms,
            "execution_timeout_ms": execution_timeout_ms,
            "deadline_ms": deadline_ms,
            "delete_after_ms": "" if spec.delete_after_s is None else spec.delete_after_s * 1000,
            "revision": source.revision if source else "",
            "route": route.revision,
            "canary": route.is_canary and not source,
            "source": spec.prior.job_id if spec.prior else "",
            "enhance": spec.enhance_prompt,
            "text_check": spec.text_check is not None,
            "check": checks_prompt,
            "prior": encode_prior(source.prior) if source else "",
            "client_id": name.client_id if name else "",
            "fingerprint": name.fingerprint if name else "",
            "batch": line.batch_id if line else "",
            "line": line.line if line else 0,
            "note": line.note if line else "",
            "webhook_url": spec.webhook_url or "",
            "webhook_events": spec.webhook_events or ENDS,
            "origin": origin.as_text() if origin else "",
            "idempotency": idempotency,
        }
    )


def limits_ms(spec: JobSpec) -> tuple[str | int, str | int, str | int]:
    """Returns a job's start timeout, execution timeout and deadline, all in ms. A limit that is not set is ''."""
    ends = spec.deadline.timestamp() if spec.deadline else None
    first, second, third = (
        "" if seconds is None else int(seconds * 1000)
        for seconds in (spec.start_timeout_s, spec.execution_timeout_s, ends)
    )
    return first, second, third


def dead_letter_of(render_id: RenderId, render: Hash, crashes: Sequence[str]) -> DeadLetter:
    """Returns a dead letter, made from the hash of its render and the crash evidence against the render."""
    return DeadLetter(
        render_id=render_id,
        job_id=JobId(render["job"]),
        index=int(render["index"]),
        stage=Stage(render["dead_stage"]),
        died_at=_time(render["dead_ms"]),
        strikes=int(render["strikes"]),
        crashes=tuple(map(_crash_of, crashes)),
    )


def _crash_of(text: str) -> Crash:
    fields = json.loads(text)
    return Crash(
        worker_id=WorkerId(fields["worker"]),
        stage=Stage(fields["stage"]),
        at=_time(fields["at_ms"]),
        steps=Progress(fields["done"], fields["total"]),
        was_alone=fields["was_alone"],
        log_lines=tuple(json.loads(fields["log"])),
    )


def heartbeat_args(held: RenderReport) -> tuple[str | int, ...]:
    """Returns the arguments of `heartbeat.lua` that report one leased render."""
    lease, progress = held.lease, held.progress
    return lease.render_id, lease.fence, lease.holder, progress.done, progress.total, int(held.in_step)


def encode_log(lines: Sequence[str]) -> str:
    """Returns the last 20 of a worker's log lines as JSON, each cut to 300 characters. Returns '' without lines."""
    return json.dumps([line[:_MAX_LINE_CHARS] for line in lines[-_MAX_LINES:]]) if lines else ""


def encode_prior(prior: Prior) -> str:
    """Returns a token grid in base64, which is 2.7 KB for a picture of 1024x1024. Raw bytes are impossible, because the
    store's client decodes every value as text.
    """
    return base64.b64encode(prior.to_bytes()).decode()


def decode_prior(text: str) -> Prior:
    """Returns the token grid in a text that `encode_prior` wrote."""
    return Prior.from_bytes(base64.b64decode(text))


def encode_picture(picture: Picture) -> str:
    """Returns a picture's description (keys, hash, size, type) as JSON for the field `picture` of its render."""
    return json.dumps(
        {
            "key": picture.key,
            "manifest_key": picture.manifest_key,
            "sha256": picture.sha256,
            "num_bytes": picture.num_bytes,
            "content_type": picture.content_type,
        }
    )


def decode_picture(text: str) -> Picture:
    """Returns the picture's description in a text that `encode_picture` wrote."""
    fields = json.loads(text)
    fields["key"] = ObjectKey(fields["key"])
    return Picture(**fields)


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _optional_time(fields: Hash, name: str) -> datetime | None:
    return _time(fields[name]) if name in fields else None
