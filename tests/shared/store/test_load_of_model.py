"""The load of one model among several, from which an autoscaler sets the number of this model's workers."""

from collections.abc import Mapping

import pytest

from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId, new_job_id
from shared.jobs.job import Job
from shared.jobs.states import Stage
from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.models.rules import Canary, ModelRules
from shared.schedule.autoscaling import ScalingRules, wanted_workers
from shared.schedule.throughput import StageLoad
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.models.models import ModelStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import RULES, a_prior, a_spec

GLM, PAINTER = "zai-org/GLM-Image", "acme/Painter"
A, B, P, P2 = Revision("a"), Revision("b"), Revision("p"), Revision("p2")
NAMES = ModelNames.of(Settings())
SCALING = ScalingRules(target_wait_s=60, prior_ready_limit_min=16)
AR, DIT = Stage.AR, Stage.DIT


class Fleets:
    """Workers of two models. A worker's id is its stage and its revision."""

    def __init__(self, client: Client) -> None:
        self.jobs, self.leases, self.models = JobStore(client), LeaseStore(client, RULES), ModelStore(client)
        self.throughput = ThroughputStore(client)

    def start(self, revision: Revision, model: str, *stages: Stage) -> None:
        for stage in stages or Stage:
            self.leases.beat(_announced(stage, revision, model), [])

    def stop(self, revision: Revision, model: str, *stages: Stage) -> None:
        for stage in stages or Stage:
            self.leases.leave(_announced(stage, revision, model))

    @property
    def catalogue(self) -> Catalogue:
        return self.models.catalogue(NAMES)

    def submit(self, model: str | None, n: int = 1) -> Job:
        job_id = new_job_id()
        return self.jobs.submit(job_id, a_spec(n, model=model), route=self.catalogue.route(model, job_id))

    def loads(self, model: str) -> Mapping[Stage, StageLoad]:
        return self.throughput.loads(self.catalogue.names_of(model))

    def wanted(self, model: str) -> tuple[int, int]:
        found = wanted_workers(self.loads(model), SCALING)
        return found[AR], found[DIT]


def _announced(stage: Stage, revision: Revision, model: str) -> Announcement:
    return Announcement(WorkerId(f"{stage}-{revision}"), Queue(stage), 4, revision, model)


@pytest.fixture
def fleets(client: Client) -> Fleets:
    made = Fleets(client)
    made.start(A, GLM)
    made.start(P, PAINTER)
    return made


def test_each_model_counts_its_own_work_and_workers(fleets: Fleets) -> None:
    fleets.submit(None, n=3)
    fleets.submit(PAINTER, n=5)
    claim = fleets.leases.claim(AR, P, WorkerId("ar-p"))
    assert claim
    fleets.leases.finish_prior(claim.lease, a_prior())
    assert fleets.leases.claim(AR, A, WorkerId("ar-a"))
    every, glm, painter = fleets.throughput.loads(), fleets.loads(GLM), fleets.loads(PAINTER)
    assert [(load.waiting, load.strength.workers, load.num_held) for load in glm.values()] == [(2, 1, 1), (0, 1, 0)]
    assert [(load.waiting, load.strength.workers, load.num_held) for load in painter.values()] == [(4, 1, 0), (1, 1, 0)]
    assert [load.open.renders for load in (glm[AR], glm[DIT], painter[AR], painter[DIT])] == [2, 0, 4, 1]
    for stage in Stage:
        for name in ("waiting", "waiting_cost", "coming_cost", "ahead", "num_held"):
            assert getattr(every[stage], name) == getattr(glm[stage], name) + getattr(painter[stage], name), name
        assert every[stage].strength.slots == glm[stage].strength.slots + painter[stage].strength.slots


def test_the_only_model_has_the_load_of_the_service(client: Client) -> None:
    for revision, model in ((A, GLM), (P, PAINTER)):
        client.flushdb()
        fleets = Fleets(client)
        fleets.start(revision, model)
        fleets.submit(None, n=2)
        assert fleets.loads(model) == fleets.throughput.loads()
        assert fleets.loads(model)[AR].open.renders == 2


def test_a_fleet_without_workers_wants_one_when_jobs_wait(fleets: Fleets) -> None:
    fleets.stop(P, PAINTER)
    assert fleets.wanted(PAINTER) == (0, 0)
    fleets.submit(PAINTER)
    assert fleets.wanted(PAINTER) == (1, 1)
    assert fleets.wanted(GLM) == (0, 0)
    assert fleets.loads(PAINTER)[AR].unserved == {P: 1}
    assert fleets.loads(GLM)[AR].unserved == {}
    fleets.start(P, PAINTER, AR)
    claim = fleets.leases.claim(AR, P, WorkerId("ar-p"))
    assert claim
    assert fleets.wanted(PAINTER) == (1, 1)
    fleets.leases.finish_prior(claim.lease, a_prior())
    assert fleets.wanted(PAINTER) == (0, 1)


def test_a_model_that_never_had_a_worker_wants_one_when_jobs_wait(fleets: Fleets) -> None:
    fleets.models.set_rules(ModelRules(name="acme/Brush", waits=True))
    assert fleets.wanted("acme/Brush") == (0, 0)
    fleets.submit("acme/Brush", n=2)
    assert fleets.wanted("acme/Brush") == (1, 1)
    assert (fleets.wanted(GLM), fleets.wanted(PAINTER)) == ((0, 0), (0, 0))
    fleets.start(P2, "acme/Brush")
    fleets.stop(P2, "acme/Brush")  # before upkeep has moved the jobs to its revision
    assert fleets.wanted("acme/Brush") == (1, 1)


def test_the_default_model_may_have_no_workers_beside_another(fleets: Fleets) -> None:
    fleets.stop(A, GLM)
    fleets.submit(None)
    assert (fleets.wanted(GLM), fleets.wanted(PAINTER)) == ((1, 1), (0, 0))


def test_work_of_an_older_revision_starts_no_worker(fleets: Fleets) -> None:
    """A new worker would serve the newest revision, and could not render it."""
    fleets.submit(PAINTER)
    fleets.stop(P, PAINTER)
    assert fleets.wanted(PAINTER) == (1, 1)
    fleets.start(P2, PAINTER)
    fleets.stop(P2, PAINTER)
    fleets.start(B, GLM)
    assert fleets.loads(PAINTER)[AR].waiting == 1
    assert fleets.wanted(PAINTER) == (0, 0)
    fleets.submit(PAINTER)
    assert fleets.wanted(PAINTER) == (1, 1)


def test_a_stage_without_workers_follows_the_other_stage(fleets: Fleets) -> None:
    """The newest revision was taken back: AR still serves the one before."""
    fleets.submit(PAINTER)
    claim = fleets.leases.claim(AR, P, WorkerId("ar-p"))
    assert claim
    fleets.leases.finish_prior(claim.lease, a_prior())
    fleets.start(P2, PAINTER)
    fleets.stop(P2, PAINTER)
    fleets.stop(P, PAINTER, DIT)
    assert fleets.wanted(PAINTER) == (0, 1)


def test_a_model_with_a_canary_share_alone_starts_from_zero(fleets: Fleets) -> None:
    """Its newest revision is that of the share, to which no other jobs go."""
    fleets.submit(PAINTER)
    fleets.models.set_rules(ModelRules(name=PAINTER, canary=Canary(revision=P, percent=5)))
    fleets.stop(P, PAINTER)
    fleets.start(B, GLM)  # the stage's last new worker is not one of this model
    assert fleets.wanted(PAINTER) == (1, 1)


def test_suspects_and_renders_of_dead_workers_count_for_their_model(fleets: Fleets, client: Client) -> None:
    job = fleets.submit(PAINTER, n=2)
    assert fleets.leases.claim(AR, P, WorkerId("ar-p"))
    client.zadd("gridpress:workers:ar", {"ar-p": 1})
    assert (fleets.loads(PAINTER)[AR].orphans, fleets.loads(GLM)[AR].orphans) == (1, 0)
    client.zadd("gridpress:quarantine:ar", {job.renders[0].render_id: 1})
    assert (fleets.loads(PAINTER)[AR].waiting, fleets.loads(GLM)[AR].waiting) == (2, 0)
    assert fleets.loads(GLM)[AR].open.renders == 0
