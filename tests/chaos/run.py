"""One run from start to audit: a service, its client, its faults. Everything it starts ends with it."""

import secrets
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from pathlib import Path

from shared.ids import DEFAULT_TENANT
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from tests.chaos.audit import Audit, IsRight
from tests.chaos.faults import End, Faults
from tests.chaos.healing import Healed, Healing
from tests.chaos.ledger import Ledger
from tests.chaos.receiver import CountingReceiver
from tests.chaos.recovery import Recovery
from tests.chaos.report import Report
from tests.chaos.schedule import Fault
from tests.chaos.service import Service
from tests.chaos.submitter import Submitter

_TICK_S = 0.05
_BACKLOG = 60  # renders: three DiT workers draw ten a second
_HEALING_RATE_PER_S = 15.0
_HEALING_NUMBERS = 1_000_000  # of requests, which the first client never reaches


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `settle_s` bounds the time from the last fault to the last job's end.

    `silences` come at the end, one after the other and nothing besides, so that what follows each can be measured.
    `while_loading` come before all others, with the first requests, while the stages still load their models.
    `comes_back_in_s` bounds the time that a role takes to start again. `num_distinct`: see `request`.
    `num_requests` bounds the requests that come before the silences.
    """

    seed: int
    faults: tuple[Fault, ...]
    lease_ttl_s: float
    model: str
    workers_per_stage: int
    has_far_worker: bool
    rate_per_s: float
    settle_s: float
    cancels: bool
    silences: tuple[Fault, ...] = ()
    while_loading: tuple[Fault, ...] = ()
    num_distinct: int | None = None
    num_requests: int | None = None
    comes_back_in_s: float = 40.0  # a supervisor starts a process again within half a minute


def run(plan: Plan, data_dir: Path, is_right: IsRight, say: Callable[[str], None] = lambda _: None) -> Report:
    """Runs the plan and returns the report. Raises an error of the client that no fault explains."""
    began_s = time.monotonic()
    secret = f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"
    environment = {
        "GRIDPRESS_LEASE_TTL_S": str(plan.lease_ttl_s),
        "GRIDPRESS_WEBHOOK_SECRET": secret,
        "GRIDPRESS_SERVED_MODEL_NAME": "chaos",
    }
    ledger = Ledger()
    with (
        CountingReceiver(secret) as receiver,
        Service(
            data_dir,
            plan.model,
            environment,
            plan.workers_per_stage,
            has_far_worker=plan.has_far_worker,
            webhook_port=receiver.port,
            needs_models=not plan.while_loading,
        ) as service,
        Recovery(service.store) as recovery,
    ):
        client = Submitter(
            service.url,
            receiver.url,
            ledger,
            seed=plan.seed,
            rate_per_s=plan.rate_per_s,
            cancels=plan.cancels,
            num_distinct=plan.num_distinct,
            is_enough=lambda: plan.num_requests is not None and len(ledger.accepted()) >= plan.num_requests,
        )
        loading = Faults(service, recovery, hits_loading=True)
        with client:
            faults = _play(plan.while_loading, plan.comes_back_in_s, service, loading, say)
            faults += _play(plan.faults, plan.comes_back_in_s, service, Faults(service, recovery), say)
        store = service.store_once_it_answers()
        healed = _heal(plan, service, store, receiver, ledger, say)
        audit = Audit(store, ObjectStore(service.settings()), receiver, is_right)
        left_over = audit.settle(plan.settle_s)
        findings = audit.findings(ledger.accepted(), left_over)
        store.close()
        return Report(
            seed=plan.seed,
            num_ended=sum(times for fault, times in faults.items() if fault.kind.ends_a_process),
            wall_s=time.monotonic() - began_s,
            num_jobs=len(ledger.accepted()),
            num_webhooks=receiver.received.total(),
            num_late_writes_refused=service.count_in_logs("render.result_dropped"),
            faults=_by_name(faults),
            num_while_loading=loading.num_while_loading,
            findings=findings,
            times=recovery.times(),
            healed=healed,
            has_machines=service.network.has_machines,
        )


def _heal(
    plan: Plan, service: Service, store: Client, receiver: CountingReceiver, ledger: Ledger, say: Callable[[str], None]
) -> tuple[Healed, ...]:
    """As many renders wait all the time as the workers need to be busy, and no more: what waits has to be drawn."""
    if not plan.silences:
        return ()

    def is_enough() -> bool:
        load: dict[str, str] = store.hgetall(f"gridpress:load:{DEFAULT_TENANT}")
        return sum(int(count) for count in load.values()) >= _BACKLOG

    client = Submitter(
        service.url,
        receiver.url,
        ledger,
        seed=plan.seed,
        rate_per_s=_HEALING_RATE_PER_S,
        cancels=False,
        first_number=_HEALING_NUMBERS,
        is_enough=is_enough,
    )
    with client:
        return Healing(service, store, receiver, ledger).rounds(plan.silences, say)


def _play(
    planned: Iterable[Fault], comes_back_in_s: float, service: Service, faults: Faults, say: Callable[[str], None]
) -> Counter[Fault]:
    """Carries out one fault after the other; lasting ones end while others begin."""
    done: Counter[Fault] = Counter()
    order = count()
    ends: list[tuple[float, int, End]] = []
    next_at_s = time.monotonic()

    def wait_until(moment_s: float) -> None:
        while (now_s := time.monotonic()) < moment_s:
            while ends and ends[0][0] <= now_s:
                heappop(ends)[2]()
            service.tend()
            time.sleep(_TICK_S)

    for fault in planned:
        next_at_s = max(next_at_s + fault.after_s, time.monotonic())
        wait_until(next_at_s)
        while fault.role == "supervisor" and ends:  # its start waits for all roles, so none may be silent for longer
            heappop(ends)[2]()
        end = faults.begin(fault)
        give_up_at_s = time.monotonic() + comes_back_in_s
        while end is None:  # the role is between two processes
            if ends:  # a silent or frozen server keeps a role from its start: the limit counts from the end of that
                give_up_at_s = time.monotonic() + comes_back_in_s
            assert time.monotonic() < give_up_at_s, f"{fault.role} did not come back"
            wait_until(time.monotonic() + _TICK_S)
            end = faults.begin(fault)
        done[fault] += 1
        heappush(ends, (time.monotonic() + fault.lasts_s, next(order), end))
        say(f"{sum(done.values())}: {fault.kind} {fault.role}")
    while ends:
        moment_s, _, end = heappop(ends)
        wait_until(moment_s)
        end()
    return done


def _by_name(faults: Counter[Fault]) -> dict[str, int]:
    names: Counter[str] = Counter()
    for fault, times in faults.items():
        names[f"{fault.kind} {fault.role}"] += times
    return dict(names)
