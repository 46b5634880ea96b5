"""Reads the settings and wires the parts of a simulated AR worker: `python -m workers.ar` with
`GRIDPRESS_MODEL=simulate`.
"""

from functools import partial
from importlib.metadata import version

from shared.geometry import condition_grid
from shared.hints.queues import Queue
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior
from shared.objects.inputs import content_of
from shared.objects.store import open_objects
from shared.settings.settings import Settings
from shared.store.core.opening import open_store
from shared.store.renders.leases import LeaseStore
from workers.engine.places import rows
from workers.model.simulated import REVISION, Simulation
from workers.simulate.picture import simulated_condition, simulated_grid
from workers.simulate.stepper import TimedStepper
from workers.stage.condition_images import ConditionImages
from workers.stage.recorder import Write
from workers.stage.reuse import Reuse
from workers.stage.worker import StageParts, run_stage

_SLOTS = 16  # about as many renders as a real worker decodes at once


def run(settings: Settings) -> None:
    """Runs a simulated AR worker until SIGTERM. A step advances all its renders, like continuous batching in the real
    worker.
    """
    simulation = Simulation.parse(settings.model)
    client = open_store(settings)
    objects = open_objects(settings)
    images = ConditionImages(objects)
    slots = settings.ar_slots or _SLOTS
    facts = {"device": "simulated", "gridpress": version("gridpress")}

    def prepare(claim: Claim) -> None:
        images.prefetch(claim.settings.images)

    def finish(claim: Claim) -> Prior:
        conditions = [
            simulated_condition(content_of(key), condition_grid(*images.load(key).size))
            for key in claim.settings.images
        ]
        return Prior(simulated_grid(claim.settings, claim.seed), tuple(conditions))

    def save(leases: LeaseStore, claim: Claim, prior: Prior, device_s: float) -> Write:
        return partial(leases.finish_prior, claim.lease, prior, facts, device_s)

    parts = StageParts(
        stage=Stage.AR,
        places=rows(slots),
        revision=REVISION,
        stepper=TimedStepper(simulation.ar_s, finish, group=slots),
        prepare=prepare,
        save=save,
        next_queue=Queue.DIT,
        device="simulated",
        reuse=Reuse.of(settings, client, objects),
    )
    run_stage(parts, settings, client)
