"""Draws how the store's time grows with the number of tenants and with the number of workers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.store.measuring import Case

mpl.use("Agg")

_NAMES = ("submit", "claim (AR)", "advance to prior_ready", "GET of a waiting job", "/v1/stats")


def plot(path: Path, cases: Sequence[Case]) -> None:
    """Writes the picture. Cases that differ in the number of tenants only are on the left, the others on the right."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", sharey=True)
    least, most = min(case.workers for case in cases), max(case.tenants for case in cases)
    _draw(left, [case for case in cases if case.workers == least], lambda case: case.tenants, "tenants")
    _draw(right, [case for case in cases if case.tenants == most], lambda case: case.workers, "workers")
    left.set_ylabel("ms of the store for one call")
    right.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw(axes: Axes, cases: Sequence[Case], size_of: Callable[[Case], int], what: str) -> None:
    ordered = sorted(cases, key=size_of)
    for name in _NAMES:
        times_ms = [(case.calls.get(name) or case.looks[name]).store_us / 1000 for case in ordered]
        axes.plot([size_of(case) for case in ordered], times_ms, "o-", label=name)
    axes.set(xscale="log", yscale="log", xlabel=what)
    axes.spines[["top", "right"]].set_visible(False)
