"""`python -m tests.upgrade COMMIT`: upgrades a running service from an earlier release to this one, under load.

COMMIT is a commit of this repository, or the folder of a checkout. Its code runs with the packages of this environment.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.upgrade.release import CHECKOUT
from tests.upgrade.rolling import Plan, run


@contextmanager
def _checkout(of: str, folder: Path) -> Iterator[Path]:
    """Yields a checkout of a commit, which lives until the block ends. A folder is taken as it is."""
    if Path(of).is_dir():
        yield Path(of).resolve()
        return
    tree = folder / "release"
    git = ("git", "-C", str(CHECKOUT), "worktree")
    subprocess.run((*git, "add", "--quiet", "--detach", str(tree), of), check=True)
    try:
        yield tree
    finally:
        subprocess.run((*git, "remove", "--force", str(tree)), check=True)


@click.command()
@click.argument("commit")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--kills", type=click.IntRange(0), default=0, show_default=True, help="Processes to end with SIGKILL.")
@click.option("--in-order/--any-order", default=True, show_default=True, help="The order of docs/operations.md or not.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/upgrade"), show_default=True)
def main(commit: str, seed: int, kills: int, in_order: bool, out: Path) -> None:
    """Upgrades from COMMIT, then audits every job."""
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-", dir=out)).resolve()
    with _checkout(commit, folder) as checkout:
        counts_usage = (checkout / "shared" / "store" / "usage").is_dir()
        plan = Plan(seed=seed, num_kills=kills, in_order=in_order)
        outcome = run(plan, checkout, folder, click.echo, counts_usage=counts_usage)
    for line in outcome.lines():
        click.echo(line)
    if not outcome.is_good:
        raise SystemExit(f"the logs are in {folder}")


if __name__ == "__main__":
    main()
