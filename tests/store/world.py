"""One store with a clock of its own: the real one or its in-memory twin, behind the same names."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from shared.ids import DEFAULT_TENANT, JobId, TenantId
from shared.jobs import Job
from shared.limits import TenantLimits
from shared.store.connect import Client
from shared.store.dead_letters import DeadLetterStore
from shared.store.deliveries import DeliveryStore
from shared.store.jobs import JobStore
from shared.store.keys import KeyStore
from shared.store.leases import LeaseRules, LeaseStore
from shared.store.upkeep import UpkeepStore
from tests.store.builders import RULES
from tests.store.clocks import Clock, MemoryClock, StoreClock
from tests.store.memory_jobs import MemoryJobs
from tests.store.memory_leases import MemoryLeases
from tests.store.memory_state import Memory
from tests.store.memory_upkeep import MemoryDeadLetters, MemoryDeliveries, MemoryUpkeep

Leases = LeaseStore | MemoryLeases


@dataclass(frozen=True)
class World:
    """`StoreClock`s work only while `clocks.install` is in force."""

    clock: Clock
    jobs: JobStore | MemoryJobs
    leases_under: Callable[[LeaseRules], Leases]
    upkeep: UpkeepStore | MemoryUpkeep
    deliveries: DeliveryStore | MemoryDeliveries
    dead_letters: DeadLetterStore | MemoryDeadLetters
    set_limits: Callable[[TenantId, TenantLimits], None]

    @classmethod
    def of_valkey(cls, client: Client) -> Self:
        return cls(
            clock=StoreClock(client),
            jobs=JobStore(client),
            leases_under=partial(LeaseStore, client),
            upkeep=UpkeepStore(client),
            deliveries=DeliveryStore(client, RULES.ttl_s),
            dead_letters=DeadLetterStore(client),
            set_limits=KeyStore(client).set_limits,
        )

    @classmethod
    def of_memory(cls) -> Self:
        memory = Memory(MemoryClock())
        return cls(
            clock=memory.clock,
            jobs=MemoryJobs(memory),
            leases_under=partial(MemoryLeases, memory),
            upkeep=MemoryUpkeep(memory),
            deliveries=MemoryDeliveries(memory, RULES.ttl_s),
            dead_letters=MemoryDeadLetters(memory),
            set_limits=memory.limits.__setitem__,
        )

    @property
    def leases(self) -> Leases:
        return self.leases_under(RULES)

    def job(self, job_id: JobId) -> Job:
        return self.jobs.job(job_id, DEFAULT_TENANT)

    def let_leases_end(self) -> None:
        """Nobody beats for a lease length: whoever holds anything is dead."""
        self.clock.advance(RULES.ttl_s)

    def rescue(self, poison_strikes: int = 5) -> tuple[int, int]:
        return self.upkeep.rescue(poison_strikes)
