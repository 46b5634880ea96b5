"""Simulates fair shares with thousands of tenants and slots on a virtual clock.

`make bench-fairness`, half a minute.
"""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from heapq import heappop, heappush
from pathlib import Path
from statistics import quantiles

import click
import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from rich.console import Console
from rich.table import Table

from benchmarks import fleet
from benchmarks.fair_queue import Demand, FairOrder, FirstCome, Order
from benchmarks.fleet import Fleet, Outcome
from benchmarks.report import machine
from shared.jobs.spec import Priority

mpl.use("Agg")

RENDER_S = 30.0  # time of a picture of cost 1 on one slot
FLOOR = 0.1
BACKLOG_TENANT = -1


@dataclass(frozen=True, slots=True)
class SinglePictures:
    """Tenants that send single pictures now and then. `load` is the share of all slots that they keep busy."""

    slots: int
    tenants: int
    load: float
    duration_s: float

    def demands(self, dice: random.Random) -> Iterator[Demand]:
        now_s, mean_gap_s = 0.0, RENDER_S / (self.slots * self.load)
        while (now_s := now_s + dice.expovariate(1 / mean_gap_s)) < self.duration_s:
            yield Demand(dice.randrange(self.tenants), Priority.INTERACTIVE, 1.0, now_s)


@dataclass(frozen=True, slots=True)
class Waits:
    """Waits of all single pictures in seconds, from request to slot."""

    name: str
    slots: int
    tenants: int
    pictures: int
    p50_s: float
    p99_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """The fairness up to one moment, among tenants that always have a waiting render.

    What a tenant received is its cost / weight. `spread` is the largest difference between two tenants, in largest
    renders. `jain` is Jain's index, which is 1 when all tenants received the same.
    """

    at_s: float
    spread: float
    jain: float


def simulate(order: Order, slots: int, demands: Iterable[Demand]) -> Iterator[tuple[float, Demand]]:
    """Yields (start in s, render) for all `demands`, which are given in order of time.

    A free slot takes the next render.
    """
    free = [0.0] * slots
    coming = iter(demands)
    upcoming = next(coming, None)
    while True:
        now_s = heappop(free)
        while upcoming and upcoming.came_s <= now_s:
            order.add(upcoming)
            upcoming = next(coming, None)
        demand = order.next()
        if demand is None and upcoming is None:
            return
        if demand is None:
            heappush(free, upcoming.came_s)
            continue
        yield now_s, demand
        heappush(free, now_s + demand.cost * RENDER_S)


def backlog(num: int, priority: Priority) -> Sequence[Demand]:
    """Returns renders of one tenant that all arrive before any other render."""
    return [Demand(BACKLOG_TENANT, priority, 1.0, 0.0)] * num


def waits_of(name: str, order: Order, singles: SinglePictures, backlog_renders: Sequence[Demand] = ()) -> Waits:
    demands = [*backlog_renders, *singles.demands(random.Random(1))]
    started = simulate(order, singles.slots, demands)
    waits = [at_s - demand.came_s for at_s, demand in started if demand.tenant != BACKLOG_TENANT]
    percentiles = quantiles(waits, n=100)
    return Waits(
        name, singles.slots, singles.tenants, len(backlog_renders), percentiles[49], percentiles[98], max(waits)
    )


def all_waits(singles: SinglePictures, num_pictures: int) -> Sequence[Waits]:
    """Simulates single pictures alone, beside one tenant's pictures in each class, and in an order by age alone."""
    batch, same = backlog(num_pictures, Priority.BATCH), backlog(num_pictures, Priority.INTERACTIVE)
    return [
        waits_of("singles alone", FairOrder({}, FLOOR), singles),
        waits_of("beside a batch", FairOrder({}, FLOOR), singles, batch),
        waits_of("beside it in their own class", FairOrder({}, FLOOR), singles, same),
        waits_of("by age alone", FirstCome(), singles, same),
    ]


def shares(num_tenants: int, slots: int, renders_each: int) -> Sequence[Moment]:
    """Simulates tenants of weights 1 to 4 and renders of cost 0.1 to 4, until one tenant has no waiting render left."""
    dice = random.Random(2)
    weights = {tenant: float(dice.randint(1, 4)) for tenant in range(num_tenants)}
    demands = [
        Demand(tenant, Priority.BATCH, dice.choice([0.1, 0.5, 1.0, 4.0]), 0.0)
        for tenant in weights
        for _ in range(round(renders_each * weights[tenant]))
    ]
    left = dict.fromkeys(weights, 0)
    for demand in demands:
        left[demand.tenant] += 1
    received, moments = dict.fromkeys(weights, 0.0), []
    for num, (at_s, demand) in enumerate(simulate(FairOrder(weights, FLOOR), slots, demands), start=1):
        received[demand.tenant] += demand.cost / weights[demand.tenant]
        left[demand.tenant] -= 1
        if num % num_tenants == 0:
            moments.append(Moment(at_s, _spread(received.values()), _jain(received.values())))
        if not left[demand.tenant]:
            break
    return moments


def _spread(received: Iterable[float]) -> float:
    values = list(received)
    return (max(values) - min(values)) / 4.0


def _jain(received: Iterable[float]) -> float:
    values = list(received)
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))


@dataclass(frozen=True, slots=True)
class FleetRuns:
    """Interactive renders on DiT workers that pre-empt, alone and beside one tenant's batch."""

    workers: int
    tenants: int
    pictures: int
    alone: Outcome
    beside: Outcome

    def summary(self) -> Mapping[str, object]:
        return {
            "workers": self.workers,
            "tenants": self.tenants,
            "pictures_of_batch": self.pictures,
            "alone_s": _spread_of(self.alone),
            "beside_s": _spread_of(self.beside),
            "utilisation": self.beside.utilisation(self.workers),
        }


def _spread_of(outcome: Outcome) -> Mapping[str, float]:
    return {
        "p50": outcome.percentile_s(50),
        "p99": outcome.percentile_s(99),
        "longest": max(outcome.waits_s),
    }


def fleet_runs(workers: int, tenants: int, pictures: int, load: float, lasts_s: float) -> FleetRuns:
    dice = random.Random(1)
    singles, batch = (
        fleet.interactive_demands(workers, tenants, load, lasts_s, dice),
        fleet.batch_backlog(pictures, dice),
    )
    alone, beside = (
        Fleet(FairOrder({}, FLOOR), workers, random.Random(2)).run(demands) for demands in (singles, [*batch, *singles])
    )
    return FleetRuns(workers, tenants, pictures, alone, beside)


def plot(path: Path, waits: Sequence[Waits], moments: Sequence[Moment], runs: FleetRuns) -> None:
    figure, (left, middle, right, last) = plt.subplots(1, 4, figsize=(17, 3.6), layout="constrained")
    _plot_waits(left, waits)
    for outcome, name, colour in ((runs.alone, "alone", "#9aa5b1"), (runs.beside, "beside a batch", "#2f6f8f")):
        found = sorted(outcome.waits_s)
        last.step(found, [(at + 1) / len(found) for at in range(len(found))], label=name, color=colour)
    last.set(title="until a person's first DiT step", xlabel="s", ylabel="share of pictures", ylim=(0, 1.02))
    last.legend(frameon=False)
    times_s = [moment.at_s for moment in moments]
    middle.plot(times_s, [moment.spread for moment in moments], color="#2f6f8f")
    middle.axhline(2, color="#9aa5b1", linestyle="--")
    middle.set(title="largest difference of two shares", ylabel="largest renders", xlabel="s", ylim=(0, 2.2))
    right.plot(times_s, [moment.jain for moment in moments], color="#2f6f8f")
    right.set(title="Jain's index", xlabel="s", ylim=(0, 1.05))
    for axes in (left, middle, right, last):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _plot_waits(axes: Axes, waits: Sequence[Waits]) -> None:
    names = [f"{row.name}\n{row.slots} slots" for row in waits]
    bars = axes.barh(names, [row.p99_s for row in waits], color="#2f6f8f")
    axes.bar_label(bars, fmt="{:,.1f}", padding=3)
    axes.axvline(RENDER_S, color="#9aa5b1", linestyle="--")
    axes.set_xscale("symlog", linthresh=0.1)
    axes.invert_yaxis()
    axes.set(title="p99 wait of a single picture (dashed: one render)", xlabel="s")


def figures_of(waits: Sequence[Waits], moments: Sequence[Moment], runs: FleetRuns) -> Sequence[Mapping[str, object]]:
    by_case = {(row.name, row.slots): row.p99_s for row in waits}
    growth = [
        (p99_s - by_case["singles alone", slots]) / RENDER_S
        for (name, slots), p99_s in by_case.items()
        if name.startswith("beside")
    ]
    return [
        {"figure": "growth of the singles' p99 wait, in renders", "measured": max(growth), "goal": 1},
        {
            "figure": "largest difference of shares, in largest renders",
            "measured": max(m.spread for m in moments),
            "goal": 2,
        },
        {"figure": "Jain's index at the end", "measured": moments[-1].jain, "goal": 0.99},
        {
            "figure": "computed share of the workers' time while batch waits",
            "measured": runs.beside.utilisation(runs.workers),
            "goal": 0.97,
        },
    ]


@click.command()
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
def main(results: Path) -> None:
    """Simulate waits beside one tenant's 50,000 pictures, with and without pre-emption, and the shares of 2,000
    tenants.
    """
    waits = [
        *all_waits(SinglePictures(slots=8, tenants=20, load=0.3, duration_s=4 * 3600), num_pictures=2_000),
        *all_waits(SinglePictures(slots=2_000, tenants=3_000, load=0.5, duration_s=1_000), num_pictures=50_000),
    ]
    moments = shares(num_tenants=2_000, slots=2_000, renders_each=20)
    runs = fleet_runs(workers=1_000, tenants=3_000, pictures=50_000, load=0.5, lasts_s=1_500)
    figures = figures_of(waits, moments, runs)
    report = {
        "measured_on": machine(threads=1),
        "render_s": RENDER_S,
        "figures": figures,
        "waits": [asdict(row) for row in waits],
        "shares": [asdict(moment) for moment in moments],
        "fleet": runs.summary(),
    }
    (results / "fairness.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    plot(results / "fairness.png", waits, moments, runs)
    table = Table("", "slots", "tenants", "pictures of one", "p50 s", "p99 s", "longest s")
    for row in waits:
        table.add_row(
            row.name,
            *(f"{value:,}" for value in (row.slots, row.tenants, row.pictures)),
            *(f"{value:.2f}" for value in (row.p50_s, row.p99_s, row.longest_s)),
        )
    Console().print(table, figures, runs.summary())


if __name__ == "__main__":
    main()
