"""Measures what a person waits beside a batch, and whether a picture waits while a worker idles."""

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
from benchmarks.schedule import people, staggered
from benchmarks.schedule.people import People, p95
from benchmarks.schedule.staggered import Staggered

mpl.use("Agg")

GOAL_GROWTH, GOAL_LOST = 1.3, 0.03


def figures_of(people: People, trials: Sequence[Staggered]) -> Sequence[Mapping[str, object]]:
    growth = {"figure": "a person's p95 beside a batch, over the time alone", "measured": people.growth}
    lost = {"figure": "work that the batch loses beyond the people's", "measured": people.bulk_lost}
    late = [
        {"figure": f"trials with a late picture, {each.workers} workers", "measured": each.num_late, "goal": 0}
        for each in trials
    ]
    return [growth | {"goal": GOAL_GROWTH}, lost | {"goal": GOAL_LOST}, *late]


def plot(path: Path, people: People, trials: Sequence[Staggered]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    for values, name, colour in ((people.alone_s, "alone", "#9aa5b1"), (people.beside_s, "beside a batch", "#2f6f8f")):
        left.step(sorted(values), [(at + 1) / len(values) for at in range(len(values))], label=name, color=colour)
    left.set(title="a person's picture", xlabel="s", ylabel="share of pictures", ylim=(0, 1.02))
    left.legend(frameon=False)
    right.boxplot(
        [[s for trial in each.trials_s for s in trial] for each in trials],
        tick_labels=[f"{each.workers} workers" for each in trials],
    )
    right.set(title="pictures half a second apart", ylabel="s")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


@click.command()
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
@click.option("--people", "num_people", default=60, show_default=True, help="Pictures beside the batch.")
@click.option("--trials", default=50, show_default=True, help="On 2, 4 and 8 workers each.")
def main(results: Path, num_people: int, trials: int) -> None:
    """Measure, print, and write RESULTS/schedule.json and its plot."""
    found = people.measure(num_alone=max(2, num_people // 4), num_beside=num_people, bulk_s=num_people)
    all_trials = [staggered.measure(workers, trials) for workers in (2, 4, 8)]
    figures = figures_of(found, all_trials)
    report = {
        "measured_on": machine(threads=1),
        "figures": figures,
        "person_alone_s": median(found.alone_s),
        "person_beside_s": {
            "p50": median(found.beside_s),
            "p95": p95(found.beside_s),
            "worst": max(found.beside_s),
        },
        "people": asdict(found),
        "staggered": [asdict(each) for each in all_trials],
    }
    (results / "schedule.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    plot(results / "schedule.png", found, all_trials)
    Console().print(figures)


if __name__ == "__main__":
    main()
