"""Makes the engines that the schedule is measured with: simulated ones, and small real ones."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.e2e import build_checkpoint
from benchmarks.schedule.service import Engines
from workers.checkpoint.ar_parts import ArShape
from workers.checkpoint.dit_parts import DitShape

SIMULATED = "simulated"
REAL = "real"

_QUICK = {"prompt": "a red kite", "size": "256x256", "num_inference_steps": 4}
_REAL = {"prompt": "a red kite", "size": "256x256", "num_inference_steps": 20}
_MOST_SIMULATED = 8
# Half of the mid size's width and half of its layers: a picture takes about 2 s in each stage on one core.
_SMALL_AR = ArShape(256, 856, 4, 4, 2, (4, 6, 6), lm_head_scale=6.0)
_SMALL_DIT = DitShape(num_layers=3, num_heads=4, head_dim=64, text_embed_dim=64, time_embed_dim=256, condition_dim=128)


@contextmanager
def engines_of(kind: str) -> Iterator[Mapping[str, Engines]]:
    """Yields the engines for each of the measurements `people`, `staggered` and `estimates`.

    If `kind` is simulated, they take a fixed time. Otherwise they run the classes of the real model, small and with
    random weights. These are written to a temporary folder.
    """
    if kind == SIMULATED:
        times = {"people": "ar=3s,dit=3s", "staggered": "ar=0.3s,dit=3s", "estimates": "ar=1s,dit=2s"}
        yield {name: Engines(f"simulate:{each}", _QUICK, _MOST_SIMULATED) for name, each in times.items()}
        return
    with tempfile.TemporaryDirectory() as folder:
        build_checkpoint(Path(folder), _SMALL_AR, _SMALL_DIT)
        real = Engines(folder, _REAL, len(os.sched_getaffinity(0)), own_cores=True)
        yield dict.fromkeys(("people", "staggered", "estimates"), real)
