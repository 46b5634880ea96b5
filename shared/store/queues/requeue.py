"""Moves jobs that wait for AR, and that no worker has claimed yet, to another model revision."""

from collections.abc import Iterator, Mapping
from typing import cast

from shared.errors import RevisionNotServed
from shared.ids import Revision, TenantId
from shared.models.routes import is_stand_in, key_of
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

_LANES = "gridpress:lanes:ar"
_MODELS = "gridpress:models"
_MOST_AT_ONCE = 200  # renders for each script call, which then takes a few milliseconds


class RequeueStore:
    """Moves waiting work between model revisions. Every method raises `StoreUnavailable` when the store does not
    answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def move(self, to: Revision, *, source: Revision | None = None, tenant: TenantId | None = None) -> int:
        """Moves waiting renders to the revision `to`, and returns their number. Each keeps its rank.

        Only jobs move of which no worker has ever claimed a render: they are bound to no revision. Jobs stay with their
        model. With `source`, only jobs move that wait for this revision, also if it belongs to another model. With
        `tenant`, only jobs of this tenant move. The call may be repeated. Raises `RevisionNotServed` if no live AR
        worker serves `to`.
        """
        self._move_lane("", to)  # checks that the revision is served
        return sum(self._move_lane(lane, to) for lane in self._lanes(to, source, tenant))

    def _lanes(self, to: Revision, source: Revision | None, tenant: TenantId | None) -> Iterator[str]:
        with translated():
            lanes = sorted(cast("set[str]", self._client.smembers(_LANES)))
            known = cast("Mapping[str, str]", self._client.hgetall(_MODELS))
        own = _model_of(to, known)
        for lane in lanes:
            _, of, revision, *_ = lane.split("|")
            is_meant = source == revision if source else _model_of(revision, known) in (None, own)
            if revision != to and is_meant and tenant in (None, of):
                yield lane

    def _move_lane(self, lane: str, to: Revision) -> int:
        total = num_staying = 0
        while True:
            answer = self._scripts.run("requeue_lane", lane, to, num_staying, _MOST_AT_ONCE)
            if not answer:
                raise RevisionNotServed(f"no live AR worker serves the revision {to}")
            num_moved, num_seen = answer
            total, num_staying = total + num_moved, num_staying + num_seen
            if not num_moved and not num_seen:
                return total


def _model_of(revision: str, known: Mapping[str, str]) -> str | None:
    """Returns the key of the model that a revision belongs to; None if it is unknown."""
    if is_stand_in(revision):
        return revision[1:]
    name = known.get(f"model:{revision}")
    return None if name is None else key_of(name)
