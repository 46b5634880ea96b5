"""Validates the lines of an input file before a batch is created from it. A child process checks the lines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from api.edge.authentication import caller, check_any_model, check_model
from api.services import Services, services
from shared.batches.batch import BatchCost, BatchSpec, LineState
from shared.errors import InvalidRequest
from shared.files import FileId, StoredFile
from shared.ids import ObjectKey
from shared.intake.batch_line import MOST_LINE_BYTES, line_request
from shared.sandbox.child import Task, TaskKilled
from shared.sandbox.pool import Pool

_AT_ONCE, _BYTES_AT_ONCE = 500, 1024 * 1024
_CPU_S = 20  # CPU time limit of a child process; the check of the largest batch takes 10 s in all
_PATIENCE_S = 60.0
_TASK = Task("api.batches.check_task:do", memory_bytes=1024**3, cpu_s=_CPU_S, wall_s=60.0)


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of checking a batch's input file: the report, and the cost of all lines without errors.

    The report is a `ValidationResponse` in JSON.
    """

    report: bytes
    cost: BatchCost


def check_defaults(spec: BatchSpec) -> None:
    """Checks the default values that a batch gives its lines. Raises `InvalidRequest` if they are invalid.

    With invalid default values, every line that uses them would fail. Raises `ForbiddenModel`, as a job does, if the
    caller's API key is for other models than the default one. Without a default model, lines may name models of their
    own, so it is raised only if the service serves no model that the key is for.
    """
    if spec.defaults.model is None:
        check_any_model()
    else:
        check_model(spec.defaults.model, "defaults.model")
    images = {"images": [{"file_id": "file-" + "0" * 26}]} if spec.endpoint == "/v1/images/edits" else {}
    # Lines may have seeds of their own, which `reuse` needs.
    seed = {"seed": 0} if spec.defaults.reuse and spec.defaults.seed is None else {}
    catalogue = services().catalogue
    usable = catalogue.limited_to(spec.models).usable
    model = {"model": usable[0]} if usable and spec.defaults.model is None else {}
    line = {"prompt": "any", **images, **seed, **model}
    try:
        line_request(spec, line, 0, services().settings, services().rules, catalogue=catalogue)
    except InvalidRequest as error:
        raise InvalidRequest(
            f"no line could be rendered with these defaults: {error}", f"defaults.{error.field}"
        ) from error


def validation(spec: BatchSpec, file: StoredFile) -> bytes:
    """Returns the report on a batch's input file, a `ValidationResponse` in JSON.

    Raises the same errors as `checked`, which checks the lines.
    """
    return checked(spec, file.key).report


def checked(spec: BatchSpec, key: ObjectKey, states: Sequence[LineState] = ()) -> Checked:
    """Checks the lines of a batch's input file in the object store, and returns the report and the cost.

    For a retry, `states` has the states of the lines of the earlier batch. Only the lines that the retry renders again
    are then checked. Raises `InvalidRequest`, `ServiceBusy`, `ObjectStoreUnavailable` and `StoreUnavailable`.
    """
    deps = services()
    pool, tenant = _pool(), spec.tenant
    lines = (raw for _, raw in deps.objects.lines(key, most_bytes=MOST_LINE_BYTES))
    with pool.child(tenant) as child:
        try:
            pool.ask(tenant, child, _begin(deps, spec, states))
            for group in _groups(lines):
                reply, _ = pool.ask(tenant, child, {"do": "take"}, group)
                if reply["is_hopeless"]:
                    break
            named = pool.ask(tenant, child, {"do": "files"})[1].decode().split()
            missing = deps.files.missing([FileId(name) for name in named], tenant)
            reply, report = pool.ask(tenant, child, {"do": "end"}, "\n".join(missing).encode())
        except TaskKilled as error:
            raise InvalidRequest("the file takes too much time or memory to validate", "input_file_id") from error
    return Checked(report, BatchCost(**reply["cost"]))


def _begin(deps: Services, spec: BatchSpec, states: Sequence[LineState]) -> dict[str, Any]:
    return {
        "do": "begin",
        "spec": spec.model_dump(mode="json", exclude={"webhook_secret"}),
        "settings": deps.settings.model_dump(mode="json"),  # secrets are masked
        "models": deps.models.text(),
        "is_open": deps.rules.is_open(),
        "limits": asdict(caller().limits),
        "states": "".join(states),
    }


def _groups(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the lines in groups of up to 500 lines or about 1 MiB. The child process gets one group at a time."""
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
    """Returns the pool of child processes in which this API process checks batch files. The first call creates it."""
    return Pool(_TASK, places=2, patience_s=_PATIENCE_S)
