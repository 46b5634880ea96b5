"""One store with a clock of its own: the real one or its in-memory twin, behind the same names."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from shared.access.limits import TenantLimits
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, JobId, Revision, TenantId, WorkerId
from shared.jobs.job import Job
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.enhancements.enhancements import EnhancementStore
from shared.store.faults.dead_letters import DeadLetterStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.handovers import HandoverStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from shared.store.webhooks.deliveries import DeliveryStore
from shared.store.webhooks.manifests import ManifestStore
from tests.shared.store.builders import DELIVERY_RULES, RULES
from tests.shared.store.clocks import Clock, MemoryClock, StoreClock
from tests.shared.store.memory_deliveries import MemoryDeliveries, MemoryManifests
from tests.shared.store.memory_enhancements import MemoryEnhancements
from tests.shared.store.memory_jobs import MemoryJobs
from tests.shared.store.memory_leases import MemoryLeases
from tests.shared.store.memory_pace import MemoryPace
from tests.shared.store.memory_state import Memory
from tests.shared.store.memory_upkeep import MemoryDeadLetters, MemoryHandovers, MemoryUpkeep

Leases = LeaseStore | MemoryLeases
BYSTANDER = Announcement(WorkerId("bystander"), Queue.DELIVERY, 1, Revision(""))


@dataclass(frozen=True)
class World:
    """`StoreClock`s work only while `clocks.install` is in force."""

    clock: Clock
    jobs: JobStore | MemoryJobs
    leases_under: Callable[[LeaseRules], Leases]
    upkeep: UpkeepStore | MemoryUpkeep
    manifests: ManifestStore | MemoryManifests
    deliveries: DeliveryStore | MemoryDeliveries
    dead_letters: DeadLetterStore | MemoryDeadLetters
    enhancements: EnhancementStore | MemoryEnhancements
    set_limits: Callable[[TenantId, TenantLimits], None]
    pace: ThroughputStore | MemoryPace
    handovers: HandoverStore | MemoryHandovers

    @classmethod
    def of_valkey(cls, client: Client) -> Self:
        return cls(
            clock=StoreClock(client),
            jobs=JobStore(client),
            leases_under=partial(LeaseStore, client),
            upkeep=UpkeepStore(client),
            manifests=ManifestStore(client, RULES.ttl_s),
            deliveries=DeliveryStore(client, DELIVERY_RULES),
            dead_letters=DeadLetterStore(client),
            enhancements=EnhancementStore(client, RULES.ttl_s),
            set_limits=KeyStore(client).set_limits,
            pace=ThroughputStore(client),
            handovers=HandoverStore(client),
        )

    @classmethod
    def of_memory(cls) -> Self:
        memory = Memory(MemoryClock())
        return cls(
            clock=memory.clock,
            jobs=MemoryJobs(memory),
            leases_under=partial(MemoryLeases, memory),
            upkeep=MemoryUpkeep(memory),
            manifests=MemoryManifests(memory, RULES.ttl_s),
            deliveries=MemoryDeliveries(memory, RULES.ttl_s),
            dead_letters=MemoryDeadLetters(memory),
            enhancements=MemoryEnhancements(memory, RULES.ttl_s),
            set_limits=memory.set_limits,
            pace=MemoryPace(memory),
            handovers=MemoryHandovers(memory),
        )

    @property
    def leases(self) -> Leases:
        return self.leases_under(RULES)

    def job(self, job_id: JobId) -> Job:
        return self.jobs.job(job_id, DEFAULT_TENANT)

    def let_leases_end(self) -> None:
        """Nobody beats for a lease length but a bystander: whoever holds anything is dead, and the store is well."""
        for _ in range(2):
            self.leases.beat(BYSTANDER, [])
            self.clock.advance(RULES.ttl_s / 2)

    def rescue(self, poison_strikes: int = 5) -> tuple[int, int]:
        return self.upkeep.rescue(poison_strikes)
