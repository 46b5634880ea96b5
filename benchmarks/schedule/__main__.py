"""Measures the wait of an interactive picture beside a batch, pictures that wait while a worker idles, and the
errors of estimates.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import click
import matplotlib as mpl
from matplotlib import pyplot as plt
from rich.console import Console

from benchmarks.report import machine
from benchmarks.schedule import estimates, people, staggered
from benchmarks.schedule.engines import REAL, SIMULATED, engines_of
from benchmarks.schedule.estimates import Estimates
from benchmarks.schedule.people import People, p95
from benchmarks.schedule.service import medians
from benchmarks.schedule.staggered import Staggered

mpl.use("Agg")

GOAL_GROWTH, GOAL_LOST = 1.3, 0.03
GOAL_MEDIAN, GOAL_P90 = 0.15, 0.35


def figures_of(
    people: People, trials: Sequence[Staggered], loads: Sequence[Estimates]
) -> Sequence[Mapping[str, object]]:
    growth = {"figure": "a person's p95 beside a batch, over the time alone", "measured": people.growth}
    lost = {"figure": "work that the batch loses beyond the people's", "measured": people.bulk_lost}
    late = [
        {"figure": f"trials with a {what}, {each.workers} workers", "measured": num, "goal": goal}
        for each in trials
        for what, num, goal in (
            ("late picture", each.num_late, None),
            ("picture behind another one", each.num_behind, 0),
        )
    ]
    off = [
        {"figure": f"estimates, {load.load}: {name} error", "measured": share, "goal": goal}
        for load in loads
        for name, share, goal in (("median", load.median, GOAL_MEDIAN), ("p90", load.p90, GOAL_P90))
    ]
    without = {
        "figure": "jobs that were told nothing",
        "measured": sum(load.num_without_estimate for load in loads),
        "goal": 0,
    }
    return [growth | {"goal": GOAL_GROWTH}, lost | {"goal": GOAL_LOST}, *late, *off, without]


def plot(path: Path, people: People, trials: Sequence[Staggered], loads: Sequence[Estimates]) -> None:
    figure, (left, right, last) = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    for values, name, colour in ((people.alone_s, "alone", "#9aa5b1"), (people.beside_s, "beside a batch", "#2f6f8f")):
        left.step(sorted(values), [(at + 1) / len(values) for at in range(len(values))], label=name, color=colour)
    left.set(title="a person's picture", xlabel="s", ylabel="share of pictures", ylim=(0, 1.02))
    left.legend(frameon=False)
    right.boxplot(
        [[s for trial in each.trials_s for s in trial] for each in trials],
        tick_labels=[f"{each.workers} workers" for each in trials],
    )
    right.set(title="pictures one shortly after another", ylabel="s")
    for load in loads:
        told = [(told_s, true_s) for told_s, true_s in zip(load.told_s, load.true_s, strict=True) if told_s is not None]
        last.plot([told_s for told_s, _ in told], [true_s for _, true_s in told], ".", label=load.load)
    last.axline((0, 0), slope=1, color="#9aa5b1", linewidth=1)
    last.set(title="estimates at the submission", xlabel="told, s", ylabel="came true, s")
    last.legend(frameon=False)
    for axes in (left, right, last):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


@click.command()
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
@click.option("--engines", "kind", default=SIMULATED, type=click.Choice([SIMULATED, REAL]), show_default=True)
@click.option("--people", "num_people", default=60, show_default=True, help="Interactive pictures beside the batch.")
@click.option("--trials", default=50, show_default=True, help="Trials on each of 2, 4 and 8 workers.")
@click.option("--estimates", "num_estimates", default=40, show_default=True, help="Jobs in each of five loads.")
def main(results: Path, kind: str, num_people: int, trials: int, num_estimates: int) -> None:
    """Measure, print, and write RESULTS/schedule.json and its plot; with real engines RESULTS/schedule-real.json.

    Real engines compute on the cores of this machine, so the trials leave out numbers of workers above that of cores.
    """
    with engines_of(kind) as engines:
        found = people.measure(engines["people"], num_alone=max(2, num_people // 4), num_beside=num_people)
        numbers = [workers for workers in (2, 4, 8) if workers <= max(2, engines["staggered"].most_workers)]
        all_trials = [staggered.measure(engines["staggered"], workers, trials) for workers in numbers]
        loads = estimates.measure(engines["estimates"], num_estimates)
    figures = figures_of(found, all_trials, loads)
    report = {
        "measured_on": machine(threads=1),
        "engines": kind,
        "figures": figures,
        "person_alone_s": median(found.alone_s),
        "person_beside_s": {
            "p50": median(found.beside_s),
            "p95": p95(found.beside_s),
            "worst": max(found.beside_s),
        },
        "person_parts_s": {"alone": medians(found.alone), "beside": medians(found.beside)},
        "people": asdict(found),
        "staggered": [asdict(each) for each in all_trials],
        "estimates": [asdict(each) for each in loads],
    }
    name = "schedule" if kind == SIMULATED else f"schedule-{kind}"
    (results / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    plot(results / f"{name}.png", found, all_trials, loads)
    Console().print(figures)


if __name__ == "__main__":
    main()
