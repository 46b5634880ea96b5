"""Validates the lines of a file before a batch is made of it. A child process checks the lines."""

from collections.abc import Iterable, Iterator
from functools import cache

from api.services import services
from shared.batches import BatchSpec
from shared.errors import InvalidRequest
from shared.files import StoredFile
from shared.intake.batch_line import MOST_LINE_BYTES, line_request
from shared.sandbox.child import Task, TaskKilled
from shared.sandbox.pool import Pool

_AT_ONCE, _BYTES_AT_ONCE = 500, 1024 * 1024
_CPU_S = 20  # for so many lines; those of the largest batch take 10 together
_PATIENCE_S = 60.0
_TASK = Task("api.batch_check_task:do", memory_bytes=1024**3, cpu_s=_CPU_S, wall_s=60.0)


def check_defaults(spec: BatchSpec) -> None:
    """Raises `InvalidRequest` for defaults with which every line would be refused."""
    images = {"images": [{"file_id": "file-" + "0" * 26}]} if spec.endpoint == "/v1/images/edits" else {}
    try:
        line_request(spec, {"prompt": "any", **images}, 0, services().settings, services().rules)
    except InvalidRequest as error:
        raise InvalidRequest(f"no line could be rendered so: {error}", f"defaults.{error.field}") from error


def validation(spec: BatchSpec, file: StoredFile) -> bytes:
    """Returns a `ValidationAnswer` in JSON. Raises `InvalidRequest`, `ServiceBusy` and `ObjectStoreUnavailable`."""
    house = services()
    pool, tenant = _pool(), spec.tenant
    begin = {
        "do": "begin",
        "spec": spec.model_dump(mode="json", exclude={"webhook_secret"}),
        "settings": house.settings.model_dump(mode="json"),  # secrets are masked in it
        "is_open": house.rules.is_open(),
    }
    lines = (raw for _, raw in house.objects.lines(file.key, most_bytes=MOST_LINE_BYTES))
    with pool.child(tenant) as child:
        try:
            pool.ask(tenant, child, begin)
            for some in _some(lines):
                told, _ = pool.ask(tenant, child, {"do": "take"}, some)
                if told["is_hopeless"]:
                    break
            return pool.ask(tenant, child, {"do": "end"})[1]
        except TaskKilled as error:
            raise InvalidRequest("the file takes too long to look at, or too much memory", "input_file_id") from error


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
