"""Validates the lines of a file before a batch is made of it. A child process checks the lines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from api.edge.callers import caller
from api.services import Services, services
from shared.batches.batch import BatchCost, BatchSpec, LineState
from shared.errors import InvalidRequest
from shared.files import FileId, StoredFile
from shared.ids import ObjectKey
from shared.intake.batch_line import MOST_LINE_BYTES, line_request
from shared.sandbox.child import Task, TaskKilled
from shared.sandbox.pool import Pool

_AT_ONCE, _BYTES_AT_ONCE = 500, 1024 * 1024
_CPU_S = 20  # for so many lines; those of the largest batch take 10 together
_PATIENCE_S = 60.0
_TASK = Task("api.batches.check_task:do", memory_bytes=1024**3, cpu_s=_CPU_S, wall_s=60.0)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: a `ValidationAnswer` in JSON, and the cost of the lines that can be rendered."""

    report: bytes
    cost: BatchCost


def check_defaults(spec: BatchSpec) -> None:
    """Raises `InvalidRequest` for defaults with which every line would be refused."""
    images = {"images": [{"file_id": "file-" + "0" * 26}]} if spec.endpoint == "/v1/images/edits" else {}
    try:
        line_request(spec, {"prompt": "any", **images}, 0, services().settings, services().rules)
    except InvalidRequest as error:
        raise InvalidRequest(f"no line could be rendered so: {error}", f"defaults.{error.field}") from error


def validation(spec: BatchSpec, file: StoredFile) -> bytes:
    """Returns a `ValidationAnswer` in JSON. Raises as `checked` does."""
    return checked(spec, file.key).report


def checked(spec: BatchSpec, key: ObjectKey, states: Sequence[LineState] = ()) -> Checked:
    """Checks the lines of an object; with `states`, of an earlier batch, only those that a retry takes up.

    Raises `InvalidRequest`, `ServiceBusy`, `ObjectStoreUnavailable` and `StoreUnavailable`.
    """
    house = services()
    pool, tenant = _pool(), spec.tenant
    lines = (raw for _, raw in house.objects.lines(key, most_bytes=MOST_LINE_BYTES))
    with pool.child(tenant) as child:
        try:
            pool.ask(tenant, child, _begin(house, spec, states))
            for some in _some(lines):
                told, _ = pool.ask(tenant, child, {"do": "take"}, some)
                if told["is_hopeless"]:
                    break
            named = pool.ask(tenant, child, {"do": "files"})[1].decode().split()
            missing = house.files.missing([FileId(name) for name in named], tenant)
            told, report = pool.ask(tenant, child, {"do": "end"}, "\n".join(missing).encode())
        except TaskKilled as error:
            raise InvalidRequest("the file takes too long to look at, or too much memory", "input_file_id") from error
    return Checked(report, BatchCost(**told["cost"]))


def _begin(house: Services, spec: BatchSpec, states: Sequence[LineState]) -> dict[str, Any]:
    return {
        "do": "begin",
        "spec": spec.model_dump(mode="json", exclude={"webhook_secret"}),
        "settings": house.settings.model_dump(mode="json"),  # secrets are masked in it
        "is_open": house.rules.is_open(),
        "limits": asdict(caller().limits),
        "states": "".join(states),
    }


def _some(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the lines in groups that each make one request to the child."""
    some, num_bytes = list[bytes](), 0
    for line in lines:
        some.append(line)
        num_bytes += len(line)
        if len(some) == _AT_ONCE or num_bytes >= _BYTES_AT_ONCE:
            yield b"\n".join(some)
            some, num_bytes = [], 0
    if some:
        yield b"\n".join(some)


@cache
def _pool() -> Pool:
    """Returns the children of this process."""
    return Pool(_TASK, places=2, patience_s=_PATIENCE_S)
