"""A render without workers."""

from dataclasses import replace

from api.services import Services
from shared.ids import ObjectKey
from shared.jobs.job import Picture
from shared.jobs.states import Stage
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, WORKER_ID, a_picture, a_prior


def render_next(house: Services, leases: LeaseStore, data: bytes, *, has_own_folder: bool = False) -> None:
    """Takes the next render through both stages. Its picture is in the object store then.

    With `has_own_folder`, the picture has a key of its own. All others share one, whatever the test.
    """
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    picture: Picture = replace(a_picture(), num_bytes=len(data))
    if has_own_folder:
        picture = replace(picture, key=ObjectKey(f"jobs/{claim.job_id}/0000/{claim.lease.holder}/image.png"))
    house.objects.put(picture.key, data, picture.content_type)
    leases.finish_picture(claim.lease, picture)
