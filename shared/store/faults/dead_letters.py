"""Lists, reads, requeues and purges dead letters: renders that failed because they crashed their workers.

`shared/store/faults/blame.lua` decides which renders become dead letters.
"""

from collections.abc import Sequence
from typing import cast

from shared.errors import DeadLetterNotFound
from shared.ids import RenderId, TenantId
from shared.jobs.dead_letters import DeadLetter
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import filled_page, readable
from shared.store.core.scripts import Scripts
from shared.store.jobs import codec

_PREFIX = "gridpress:"


class DeadLetterStore:
    """Reads, requeues and purges the dead letters of tenants. A dead letter is a render that failed because it crashed
    workers.

    A dead letter exists as long as its job, unless it is purged or requeued earlier.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def letters(self, tenant: TenantId, *, limit: int, after: RenderId | None) -> list[DeadLetter]:
        """Returns a page of the tenant's dead letters, those of the newest jobs first. `after` is the last id of the
        previous page.
        """

        def ids_after(last: RenderId | None, count: int) -> list[RenderId]:
            start = f"({last}" if last else "+"
            with translated():
                ids = self._client.zrevrangebylex(f"{_PREFIX}dead:{tenant}", start, "-", start=0, num=count)
            return cast("list[RenderId]", ids)

        return filled_page(limit, after, ids_after, self._read)

    def letter(self, render_id: RenderId, tenant: TenantId) -> DeadLetter:
        """Returns one dead letter. Raises `DeadLetterNotFound` for an unknown id and for a render of another tenant."""
        with translated():
            is_known = self._client.zscore(f"{_PREFIX}dead:{tenant}", render_id) is not None
        found = self._read([render_id], is_strict=True) if is_known else []
        if not found:
            raise DeadLetterNotFound(f"no dead letter {render_id}")
        return found[0]

    def requeue(self, render_id: RenderId, tenant: TenantId) -> None:
        """Queues the render of a dead letter again and clears the strikes (crashes) that were counted against it. If
        the render's job had ended, the job runs again.

        Raises `DeadLetterNotFound`.
        """
        self._run("requeue", render_id, tenant)

    def purge(self, render_id: RenderId, tenant: TenantId) -> None:
        """Deletes the dead letter and its crash evidence. The render stays failed. Raises `DeadLetterNotFound`."""
        self._run("purge_dead_letter", render_id, tenant)

    def _run(self, script: str, render_id: RenderId, tenant: TenantId) -> None:
        if not self._scripts.run(script, tenant, render_id):
            raise DeadLetterNotFound(f"no dead letter {render_id}")

    def _read(self, ids: Sequence[RenderId], *, is_strict: bool = False) -> list[DeadLetter]:
        pipeline = self._client.pipeline(transaction=True)
        for render_id in ids:
            pipeline.hgetall(f"{_PREFIX}render:{render_id}")
            pipeline.lrange(f"{_PREFIX}crashes:{render_id}", 0, -1)
        with translated():
            answers = pipeline.execute()
        pairs = zip(answers[::2], answers[1::2], strict=True)
        dead = [row for row in zip(ids, pairs, strict=True) if "dead_stage" in row[1][0]]
        return readable(FaultCounts(self._client), "dead_letter", dead, _letter, is_strict=is_strict)


def _letter(render_id: RenderId, row: tuple[codec.Hash, Sequence[str]]) -> DeadLetter:
    return codec.dead_letter_of(render_id, *row)
