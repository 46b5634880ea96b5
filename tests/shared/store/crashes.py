"""Workers that live and die in tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.hints.queues import Queue
from shared.ids import RenderId, WorkerId
from shared.jobs.leases import Claim, Progress, RenderReport
from shared.jobs.states import Stage
from shared.store.renders.leases import Announcement, Verdict
from tests.shared.store.builders import REVISION, a_picture, a_prior
from tests.shared.store.world import World

TOTAL = 100


@dataclass
class Worker:
    """One process of a stage. `beat` says how far each render is; `die` makes its leases end, and upkeep notice."""

    world: World
    name: str
    stage: Stage = Stage.AR
    claims: list[Claim] = field(default_factory=list)

    @property
    def held_ids(self) -> list[RenderId]:
        return [claim.render_id for claim in self.claims]

    def take(self, most: int = 99) -> list[Claim]:
        """Claims until nothing is left for it, or it has taken `most`."""
        taken: list[Claim] = []
        while len(taken) < most and (claim := self.world.leases.claim(self.stage, REVISION, WorkerId(self.name))):
            taken.append(claim)
        self.claims += taken
        return taken

    def beat(self, done: int = 0, in_step: bool = True, log_lines: tuple[str, ...] = ()) -> Mapping[RenderId, Verdict]:
        held = [RenderReport(claim.lease, Progress(done, TOTAL), in_step) for claim in self.claims]
        return self.world.leases.beat(
            Announcement(WorkerId(self.name), Queue(self.stage), 8, REVISION), held, log_lines
        )

    def finish(self) -> None:
        for claim in self.claims:
            if self.stage is Stage.AR:
                self.world.leases.finish_prior(claim.lease, a_prior())
            else:
                self.world.leases.finish_picture(claim.lease, a_picture())
        self.claims.clear()

    def die(self) -> tuple[int, int]:
        """kill -9, and a lease length later upkeep comes by. Returns what the rescue did."""
        self.claims.clear()
        self.world.let_leases_end()
        return self.world.rescue()
