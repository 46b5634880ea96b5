"""`python -m tests.chaos --kills 1000 --seed 7`: the long run. Prints its report and writes it as JSON."""

import json
import os
import tempfile
from pathlib import Path

import click

from tests.chaos.run import run
from tests.chaos.schedule import MIN_KILLS
from tests.chaos.simulated import is_as_foretold, long_plan


@click.command()
@click.option("--kills", type=click.IntRange(MIN_KILLS), default=1000, show_default=True, help="Processes to end.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/chaos"), show_default=True)
def main(kills: int, seed: int, out: Path) -> None:
    """Ends processes at random under load, then audits every job."""
    out.mkdir(parents=True, exist_ok=True)
    data_dir = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-", dir=out)).resolve()
    report = run(long_plan(seed, kills), data_dir, is_as_foretold, say=click.echo)
    for line in report.lines():
        click.echo(line)
    (out / f"report-{seed}.json").write_text(json.dumps(report.as_json(), indent=2) + os.linesep)
    if not report.is_good:
        raise SystemExit(f"the logs are in {data_dir / 'run'}")


if __name__ == "__main__":
    main()
