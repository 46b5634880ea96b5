"""The command line against a running service, and the service's processes."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from click.testing import CliRunner, Result

from cli.main import main

Gridpress = Callable[..., Result]


def against(url: str) -> Gridpress:
    """Returns the command line, which talks to the service at `url`."""
    return lambda *arguments: CliRunner().invoke(main, [str(part) for part in arguments], env={"GRIDPRESS_URL": url})


def pids(data_dir: Path) -> dict[str, int]:
    """Returns the serving process of each role."""
    found = {}
    for path in (data_dir / "run").glob("*-0.pid"):
        with suppress(FileNotFoundError):  # it ended just now
            found[path.stem.removesuffix("-0")] = int(path.read_text())
    return found
