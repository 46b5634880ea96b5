"""Reads the settings and wires the parts of a simulated DiT worker: `python -m workers.dit` with
`GRIDPRESS_MODEL=simulate`.
"""

from importlib.metadata import version

from shared.hints.queues import Queue
from shared.jobs.leases import Claim, Progress
from shared.jobs.states import Stage
from shared.objects.store import open_objects
from shared.settings.settings import Settings
from shared.store.core.opening import open_store
from shared.store.renders.leases import LeaseRules, LeaseStore
from workers.dit.handover.store import Handovers
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.labelling import Labelling
from workers.dit.pictures.previews import Preview, PreviewPublisher, preview_steps
from workers.dit.pictures.publish import Publisher
from workers.engine.places import turns
from workers.model.simulated import REVISION, Simulation
from workers.simulate.picture import simulated_picture
from workers.simulate.stepper import TimedStepper
from workers.stage.recorder import Write
from workers.stage.reuse import Reuse
from workers.stage.worker import HandoverPorts, StageParts, run_stage


def run(settings: Settings) -> None:
    """Runs a simulated DiT worker until SIGTERM. It computes one render at a time and stores pictures as the real
    worker does.
    """
    simulation = Simulation.parse(settings.model)
    labelling = Labelling.of(settings)
    client = open_store(settings)
    objects = open_objects(settings)
    facts = {"device": "simulated", "gridpress": version("gridpress")}
    publisher = Publisher(
        objects,
        settings.served_model_name,
        labelling,
        facts,
        checks_pictures=settings.picture_hook_url is not None,
        reuse=Reuse.of(settings, client, objects),
    )
    handovers = Handovers(open_objects(settings, fails_fast=True), facts, settings.handover_ttl_s)

    def finish(claim: Claim) -> Decoded:
        assert claim.prior
        return Decoded(
            simulated_picture(claim.prior, claim.settings, claim.seed), denoise_s=simulation.dit_s, decode_s=0.0
        )

    rules = LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min)
    previews = PreviewPublisher(
        objects, LeaseStore(client, rules), labelling, is_withheld=settings.picture_hook_url is not None
    )

    def preview(claim: Claim, progress: Progress) -> None:
        due = preview_steps(progress.total, claim.partial_images)
        if progress.done in due:
            assert claim.prior
            image = simulated_picture(claim.prior, claim.settings, claim.seed)
            previews.submit(Preview(claim, due.index(progress.done) + 1, len(due), image))

    def save(leases: LeaseStore, claim: Claim, decoded: Decoded, device_s: float) -> Write:
        return publisher.write_of(leases, claim, decoded, device_s)

    stepper = TimedStepper(simulation.dit_s, finish, group=1, on_step=preview, load_unfinished=handovers.load)
    parts = StageParts(
        stage=Stage.DIT,
        places=turns(settings.dit_slots),
        revision=REVISION,
        stepper=stepper,
        prepare=lambda _: None,
        save=save,
        next_queue=Queue.DELIVERY,
        handover_ports=HandoverPorts(stepper.unfinished, handovers.store) if settings.handover_ttl_s else None,
        device="simulated",
    )
    run_stage(parts, settings, client)
    previews.close()
