"""What a run has shown, for people and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tests.chaos.audit import Findings
from tests.chaos.healing import TABLE_HEAD, Healed
from tests.chaos.recovery import Times, percentile


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `faults` counts what was carried out, by kind and role.

    `num_while_loading` counts what came while a stage loaded its model.
    """

    seed: int
    num_ended: int
    wall_s: float
    num_jobs: int
    num_webhooks: int
    num_late_writes_refused: int
    faults: Mapping[str, int]
    findings: Findings
    times: Times
    num_while_loading: int = 0
    healed: tuple[Healed, ...] = ()
    has_machines: bool = False

    @property
    def is_good(self) -> bool:
        return not self.findings.all and all(healed.is_good for healed in self.healed)

    def as_json(self) -> Mapping[str, object]:
        return {**asdict(self), "recovery": {name: _summary(values) for name, values in asdict(self.times).items()}}

    def lines(self) -> list[str]:
        found = self.findings
        return [
            f"seed {self.seed}: {self.num_ended} processes ended in {self.wall_s:.0f} s, "
            f"{self.num_jobs} jobs accepted, {found.num_pictures} pictures checked",
            "faults: " + ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items())),
            f"lost {len(found.lost)}, duplicated {len(found.duplicated)}, wrong {len(found.wrong)}, "
            f"left over {len(found.left_over)}",
            f"webhooks {self.num_webhooks}, late writes refused {self.num_late_writes_refused}, "
            f"requests whose answer was lost and that were sent twice {found.num_submitted_twice}",
            f"waiting again after a kill -9: {_text(self.times.waiting)}",
            f"claimed again where a slot was free: {_text(self.times.with_free_slot)}",
            f"claimed again, waits for a slot included: {_text(self.times.claimed)}",
            f"claimed again where a slot was free, by the lease alone: {_text(self.times.by_lease)}",
            f"claimed again while store, upkeep or supervisor were down too: {_text(self.times.disturbed)}",
            f"work goes on after the store ended: {_text(self.times.store)}",
            f"the same while the object store was away: {_text(self.times.store_and_objects)}",
            *found.all,
            *self._table(),
        ]

    def _table(self) -> list[str]:
        """For docs/reliability.md. What failed is said below it."""
        if not self.healed:
            return []
        kind = "namespaces" if self.has_machines else "proxies"
        bad = [f"did not come back as before: {healed.row()}" for healed in self.healed if not healed.is_good]
        return [f"silences, by {kind}:", *TABLE_HEAD, *(healed.row() for healed in self.healed), *bad]


def _summary(values: Sequence[float]) -> Mapping[str, float | int | None]:
    quantiles = {name: percentile(values, share) for name, share in (("p50_s", 0.5), ("p99_s", 0.99), ("max_s", 1.0))}
    return {"count": len(values), **quantiles}


def _text(values: Sequence[float]) -> str:
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    parts = [f"{name} {percentile(values, share):.1f} s" for name, share in shares] if values else []
    return ", ".join([f"{len(values)} times", *parts])
