"""Renders the pictures that a folder lacks, a few at a time. Judges nothing."""

import base64
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.demo_model.cases import Case
from cli.client import FINAL, Client, Json
from cli.errors import Failure
from shared.jobs.spec import Quality
from workers.checkpoint.demo.world.drawing import draw
from workers.checkpoint.demo.world.scenes import Scene

SIDE_PX = 256
NUM_STEPS = 20
_MOST_AT_ONCE = 12  # enough jobs to give every worker work; more would only add polling
_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Setting:
    """The request fields that all pictures of a folder share."""

    name: str
    fields: Mapping[str, object] = field(default_factory=dict)


EXACT = Setting("exact")
TIERS = tuple(Setting(each.value, {"quality": each.value}) for each in Quality if each is not Quality.EXACT)
UNGUIDED = Setting("guidance-1.0", {"guidance_scale": 1.0})
REDRAWN = Setting("redraws-3", {"text_check": {"redraws": 3}})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture that is still missing: its request and its file."""

    path: Path
    request: Json


def wanted_of(out: Path, setting: Setting, cases: Sequence[Case]) -> list[Wanted]:
    """Returns the pictures that are missing in `out/<setting>/`."""
    paths = {case.name: out / setting.name / f"{case.name}.png" for case in cases}
    return [Wanted(paths[case.name], request_of(case, setting)) for case in cases if not paths[case.name].exists()]


def request_of(case: Case, setting: Setting) -> Json:
    """Returns the body of `POST /v1/jobs` for a case."""
    images = {"images": [_data_url(scene) for scene in case.before]} if case.before else {}
    size = {"width": SIDE_PX, "height": SIDE_PX}
    own = {"prompt": case.prompt, "seed": case.seed, "num_inference_steps": NUM_STEPS}
    return {**own, **size, **images, **setting.fields}


def draw_missing(out: Path, cases: Sequence[Case], *, anew: bool = False) -> None:
    """Draws the expected pictures of the cases by code into `out/drawn/`.

    With `anew` set, existing pictures are drawn again.
    """
    for case in cases:
        path = out / "drawn" / f"{case.name}.png"
        if anew or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_png(case.scene))


def render(client: Client, wanted: Sequence[Wanted], console: Console) -> None:
    """Renders the wanted pictures. At the end raises `Failure` with the pictures that failed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    failed: list[str] = []
    with Progress(*columns, console=console) as progress:
        for one, why in progress.track(_ended(client, wanted), total=len(wanted), description="rendering"):
            if why:
                failed.append(f"{one.path.parent.name}/{one.path.stem}: {why}")
    if failed:
        raise Failure("\n  ".join([f"{len(failed)} pictures failed; the same command tries them again:", *failed[:20]]))


def _ended(client: Client, wanted: Sequence[Wanted]) -> Iterator[tuple[Wanted, str]]:
    """Submits the jobs and yields each picture once it is in its file, or with the error that it failed with."""
    waiting, running = iter(wanted), dict[str, Wanted]()
    num_left = len(wanted)
    while num_left:
        while len(running) < _MOST_AT_ONCE and (one := next(waiting, None)):
            running[client.submit(one.request)["id"]] = one
        time.sleep(_POLL_S)
        for job_id in list(running):
            job = client.job(job_id)
            if job["status"] in FINAL:
                num_left -= 1
                one = running.pop(job_id)
                yield one, _download(client, job, one.path)


def _download(client: Client, job: Json, path: Path) -> str:
    """Downloads the picture of an ended job. Returns the error of a job without a picture, or ''."""
    if job["status"] != "succeeded":
        return f"{job['status']} {(job['error'] or {}).get('message', '')}"
    path.parent.mkdir(parents=True, exist_ok=True)
    client.download(job["id"], 0, path)
    return ""


def _png(scene: Scene) -> bytes:
    file = io.BytesIO()
    draw(scene, SIDE_PX, SIDE_PX).save(file, "PNG")
    return file.getvalue()


def _data_url(scene: Scene) -> str:
    return f"data:image/png;base64,{base64.b64encode(_png(scene)).decode()}"
