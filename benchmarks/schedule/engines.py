"""Makes the engines that the schedule is measured with: simulated ones, and small real ones."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.e2e import build_checkpoint
from benchmarks.schedule.service import Engines

SIMULATED = "simulated"
REAL = "real"

_QUICK = {"prompt": "a red kite", "size": "256x256", "num_inference_steps": 4}
_REAL = {"prompt": "a red kite", "size": "256x256", "num_inference_steps": 20}
_MOST_SIMULATED = 8


@contextmanager
def engines_of(kind: str) -> Iterator[Mapping[str, Engines]]:
    """Yields the engines of each measurement: people, staggered and estimates.

    Simulated engines take a fixed time. Real ones are the classes of the model at mid size with random weights, which
    are written to a temporary folder.
    """
    if kind == SIMULATED:
        times = {"people": "ar=3s,dit=3s", "staggered": "ar=0.3s,dit=3s", "estimates": "ar=1s,dit=2s"}
        yield {name: Engines(f"simulate:{each}", _QUICK, _MOST_SIMULATED) for name, each in times.items()}
        return
    with tempfile.TemporaryDirectory() as folder:
        build_checkpoint(Path(folder))
        real = Engines(folder, _REAL, os.cpu_count() or 1)
        yield dict.fromkeys(("people", "staggered", "estimates"), real)
