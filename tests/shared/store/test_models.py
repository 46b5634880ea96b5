"""Several models in one service: workers announce them, and jobs go to workers of their own model."""

import pytest

from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId, new_job_id
from shared.jobs.job import Job, PriorSource
from shared.jobs.states import Stage
from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.models.routes import is_stand_in
from shared.models.rules import Canary, ModelDefaults, ModelRules
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.models.models import ModelStore
from shared.store.pauses.pauses import PauseStore
from shared.store.queues.requeue import RequeueStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import RULES, a_prior, a_spec

GLM, PAINTER = "zai-org/GLM-Image", "acme/Painter"
A, B, P, P2 = Revision("a"), Revision("b"), Revision("p"), Revision("p2")
NAMES = ModelNames.of(Settings())


class Service:
    """Two models, with one worker for each revision, whose id is that of the revision."""

    def __init__(self, client: Client) -> None:
        self.jobs, self.leases, self.models = JobStore(client), LeaseStore(client, RULES), ModelStore(client)

    def beat(self, revision: Revision, model: str = GLM) -> None:
        self.leases.beat(Announcement(WorkerId(revision), Queue.AR, 4, revision, model), [])

    def leave(self, revision: Revision) -> None:
        self.leases.leave(Announcement(WorkerId(revision), Queue.AR, 4, revision))

    @property
    def catalogue(self) -> Catalogue:
        return self.models.catalogue(NAMES)

    def submit(self, model: str | None = None) -> Job:
        job_id = new_job_id()
        return self.jobs.submit(job_id, a_spec(model=model), route=self.catalogue.route(model, job_id))

    def claimed(self, revision: Revision) -> list[str]:
        """The jobs that a worker of this revision claims until it finds nothing."""
        found = []
        while claim := self.leases.claim(Stage.AR, revision, WorkerId(revision)):
            found.append(claim.job_id)
        return found


@pytest.fixture
def service(client: Client) -> Service:
    made = Service(client)
    made.beat(A)
    made.beat(P, PAINTER)
    return made


def test_a_job_is_claimed_by_workers_of_its_model_alone(service: Service) -> None:
    for revision, model in ((P, PAINTER), (A, GLM)):  # whichever worker came last
        service.beat(revision, model)
        glm, painted = service.submit(), service.submit(PAINTER)
        assert (service.claimed(A), service.claimed(P)) == ([glm.job_id], [painted.job_id])
    assert service.jobs.job(painted.job_id, painted.spec.tenant).spec.model == PAINTER


def test_the_catalogue_says_what_workers_announce(service: Service) -> None:
    found = service.catalogue
    assert (found.further, [each.revision for each in found.revisions_of(PAINTER)]) == ([PAINTER], [P])
    assert found.newest == {GLM.lower(): A, PAINTER.lower(): P}


def test_a_model_is_known_for_an_hour_after_its_last_worker(service: Service, client: Client) -> None:
    service.leave(P)
    assert service.catalogue.route(PAINTER, new_job_id()).revision == P
    client.hset("gridpress:models", f"seen:{PAINTER.lower()}", 0)
    assert service.catalogue.find(PAINTER) is None


def test_waiting_jobs_move_to_a_new_revision_of_their_own_model(service: Service, client: Client) -> None:
    glm, painted = service.submit(), service.submit(PAINTER)
    service.leave(P)
    assert UpkeepStore(client).reroute() == 0
    service.beat(P2, PAINTER)
    assert UpkeepStore(client).reroute() == 1
    assert (service.claimed(P2), service.claimed(A)) == ([painted.job_id], [glm.job_id])


def test_jobs_wait_for_the_first_worker_of_a_model(service: Service, client: Client) -> None:
    service.models.set_rules(ModelRules(name="acme/Brush", waits=True))
    job = service.submit("acme/Brush")
    assert is_stand_in(service.catalogue.route("acme/Brush", job.job_id).revision)
    assert (service.claimed(A), service.claimed(P), UpkeepStore(client).reroute()) == ([], [], 0)
    service.beat(B, "acme/Brush")
    assert UpkeepStore(client).reroute() == 1
    assert service.claimed(B) == [job.job_id]


def test_requeued_jobs_stay_with_their_model_unless_a_revision_is_named(service: Service, client: Client) -> None:
    glm, painted = service.submit(), service.submit(PAINTER)
    service.beat(B)
    assert RequeueStore(client).move(B) == 1
    assert RequeueStore(client).move(B, source=P) == 1
    assert sorted(service.claimed(B)) == sorted([glm.job_id, painted.job_id])


def test_a_canary_takes_its_share_and_the_job_says_so(service: Service, client: Client) -> None:
    service.models.set_rules(ModelRules(name=GLM, canary=Canary(revision=B, percent=100)))
    service.beat(B)  # it is the newest worker
    on_trial = service.submit()
    assert on_trial.is_canary
    assert service.jobs.job(on_trial.job_id, on_trial.spec.tenant).is_canary
    service.models.set_rules(ModelRules(name=GLM, canary=Canary(revision=B, percent=1e-9)))
    plain = service.submit()
    assert (plain.is_canary, service.claimed(A), service.claimed(B)) == (False, [plain.job_id], [on_trial.job_id])


def test_the_revision_of_a_worker_that_came_before_its_canary_share_is_no_longer_the_main_one(service: Service) -> None:
    service.beat(B)
    assert service.catalogue.newest[GLM.lower()] == B
    service.models.set_rules(ModelRules(name=GLM, canary=Canary(revision=B, percent=1e-9)))
    assert {service.catalogue.route(None, new_job_id()).revision for _ in range(9)} == {A}


def test_jobs_of_a_canary_without_workers_move_to_the_main_revision(service: Service, client: Client) -> None:
    service.models.set_rules(ModelRules(name=GLM, canary=Canary(revision=B, percent=100)))
    service.beat(B)
    job = service.submit()
    service.leave(B)
    assert UpkeepStore(client).reroute() == 1
    assert service.claimed(A) == [job.job_id]


def test_a_paused_revision_and_a_drained_worker_get_no_new_jobs(service: Service, client: Client) -> None:
    service.beat(B)
    PauseStore(client).drain(WorkerId(B), "hot")
    assert service.catalogue.route(None, new_job_id()).revision == A


def test_a_rerender_has_the_revision_of_its_prior_and_no_canary(service: Service) -> None:
    service.models.set_rules(ModelRules(name=GLM, canary=Canary(revision=B, percent=100)))
    service.beat(B)
    job_id = new_job_id()
    route = service.catalogue.route(None, job_id)
    job = service.jobs.submit(job_id, a_spec(), source=PriorSource(a_prior(), A), route=route)
    assert (job.revision, job.is_canary) == (A, False)


def test_rules_are_replaced_and_removed(service: Service) -> None:
    rules = ModelRules(name=PAINTER, defaults=ModelDefaults(num_inference_steps=20))
    service.models.set_rules(rules)
    assert service.catalogue.rules == {PAINTER.lower(): rules}
    service.models.remove_rules(PAINTER)
    assert service.catalogue.rules == {}
