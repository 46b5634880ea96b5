"""Copies the pictures of batch lines into the folder that the batch's `output_prefix` names.

The copies are made before the results are committed, and always under the same names. So a repeated step overwrites a
copy with equal bytes, and every name in a result exists.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import structlog

from shared.batches.outputs import output_folder_of, output_key
from shared.errors import ObjectNotFound
from shared.ids import ObjectKey
from shared.jobs.states import JobStatus
from shared.store.batch_work.work import EndedLine, Leased
from workers.batches.tools import Tools

log = structlog.get_logger()

_AT_ONCE = 8  # copies
_PART = 64  # copies between two renewals of the batch's lease


def copy_pictures(tools: Tools, found: Leased, lines: Sequence[EndedLine]) -> int:
    """Copies all pictures of the succeeded lines and returns the bytes of the copies. Renews the lease meanwhile.

    Without an `output_prefix` it copies nothing. Raises `ObjectStoreUnavailable` and `LeaseLost`.
    """
    folder = output_folder_of(found.batch.batch_id, found.batch.spec)
    if folder is None:
        return 0
    copies, num_bytes = list(_copies(folder, lines)), 0
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="copy") as pool:
        for first in range(0, len(copies), _PART):
            under_way = [pool.submit(_copy, tools, *each) for each in copies[first : first + _PART]]
            while wait(under_way, tools.work.renew_every_s).not_done:
                tools.work.renew(found.lease)
            num_bytes += sum(copy.result() for copy in under_way)
            tools.work.renew(found.lease)
    return num_bytes


def _copies(folder: str, lines: Iterable[EndedLine]) -> Iterator[tuple[ObjectKey, ObjectKey, int]]:
    """Yields key, new key and size of each picture."""
    for ended in lines:
        if ended.job.status is not JobStatus.SUCCEEDED:
            continue
        custom_id, renders = json.loads(ended.note)["custom_id"], ended.job.renders
        suffix = ended.job.spec.settings.output_format.value
        for render in renders:
            assert render.picture
            to = output_key(folder, custom_id, render.index, len(renders), suffix)
            yield render.picture.key, to, render.picture.num_bytes


def _copy(tools: Tools, key: ObjectKey, to: ObjectKey, num_bytes: int) -> int:
    """Copies a picture and returns its bytes; 0 if the picture was deleted from the object store meanwhile."""
    try:
        tools.objects.copy(key, to)
    except ObjectNotFound:
        log.warning("batch.picture_gone", key=key)
        return 0
    return num_bytes
