"""The small checkpoint of a data folder, built once in a process of its own: the supervisor never loads torch."""

import subprocess
import sys
from pathlib import Path

from cli.stack.processes import tied
from shared.errors import MissingCheckpoint


def small_checkpoint(data_dir: Path) -> Path:
    """`DIR/checkpoints/tiny`, built with a progress bar when it is missing.

    Raises `MissingCheckpoint` when that fails; the process that builds it has said why.
    """
    folder = data_dir / "checkpoints" / "tiny"
    if not (folder / "model_index.json").exists():
        command = (sys.executable, "-P", "-m", "cli.main", "checkpoint", "tiny", str(folder))
        if subprocess.run(tied(command), check=False).returncode:  # noqa: S603 - our own command
            raise MissingCheckpoint(f"the small checkpoint could not be built in {folder}")
    return folder
