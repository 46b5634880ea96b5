"""Saves the figures of a benchmark as a JSON file, with the machine they were measured on, and as a plot."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("Agg")

Figure = tuple[str, float, float | None]  # name, measured, goal (None: only reported)


def save(
    folder: Path,
    name: str,
    rows: Sequence[Mapping[str, object]],
    goals: Sequence[Figure],
    threads: int,
) -> None:
    """Writes `folder/name.json` and `folder/name.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = [{"figure": figure, "measured": measured, "goal": goal} for figure, measured, goal in goals]
    report = {"measured_on": machine(threads), "rows": rows, "goals": figures}
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _plot(folder / f"{name}.png", rows)


def machine(threads: int) -> Mapping[str, object]:
    """Returns the date, the machine and the package versions of a measurement."""
    packages = {package: version(package) for package in ("gridpress", "torch", "transformers", "diffusers")}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        **packages,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _plot(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    names = [str(row["name"]) for row in rows]
    values = [float(str(row["pictures_s"])) for row in rows]
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(rows) + 1), layout="constrained")
    bars = axes.barh(names, values, color=["#9aa5b1" if name.startswith("reference") else "#2f6f8f" for name in names])
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.invert_yaxis()
    axes.set_xlabel("pictures per second")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
