"""Chooses the model when none is given: the demonstration model, or a checkpoint with random weights.

The random checkpoint is built once per data folder. A child process builds it, so the supervisor never loads torch.
"""

import subprocess
import sys
from pathlib import Path

import click

from cli.stack.processes.child import tied
from shared import demo_model
from shared.errors import MissingCheckpoint

REAL_MODEL = "zai-org/GLM-Image"
_HUB_TIMEOUT_S = 10.0
_THE_REAL_ONE = f"The real one: GRIDPRESS_MODEL={REAL_MODEL}"
_DEMO = f"No model given: serving a small demonstration model. It knows {demo_model.KNOWS}. {_THE_REAL_ONE}"
_RANDOM = (
    "No model given, and this installation lacks the demonstration model's weights: serving random weights, which "
    f"paint noise. {_THE_REAL_ONE}"
)


def default_model(data_dir: Path) -> str:
    """Returns the model to serve when the setting GRIDPRESS_MODEL is not given. Prints on stderr which model that is.

    Raises `MissingCheckpoint` when random weights have to be built and can't be.
    """
    from workers.checkpoint.shipped import demo_weights  # noqa: PLC0415 - worker code is loaded only when it is needed

    if demo_weights():
        click.echo(_DEMO, err=True)
        return demo_model.NAME
    click.echo(_RANDOM, err=True)
    return str(small_checkpoint(data_dir))


def pinned_commit(model: str) -> str | None:
    """Returns the newest commit of a model of the Hugging Face hub, so that all workers of a start serve the same one.

    Returns None for every other model. If the hub does not answer, returns the commit that an earlier download left in
    the cache, or None if there is none. The workers then say what is wrong.
    """
    if model == demo_model.NAME or model.startswith("simulate") or Path(model).expanduser().is_dir():
        return None
    from huggingface_hub import HfApi  # noqa: PLC0415 - only models of the hub need it

    try:
        return HfApi().model_info(model, timeout=_HUB_TIMEOUT_S).sha
    except Exception:  # noqa: BLE001 - the hub, the network and the name of the model fail in many ways
        return _cached_commit(model)


def _cached_commit(model: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - as above

    try:
        file = try_to_load_from_cache(model, "model_index.json")
    except ValueError:  # the name is no id of a model
        return None
    return Path(file).parent.name if isinstance(file, str) else None


def small_checkpoint(data_dir: Path) -> Path:
    """Returns the folder `checkpoints/tiny` of the data folder. Builds a small checkpoint in it unless it has one.

    The child process that builds the checkpoint shows a progress bar. When the build fails, the child process prints
    the reason, and this function raises `MissingCheckpoint`.
    """
    folder = data_dir / "checkpoints" / "tiny"
    if not (folder / "model_index.json").exists():
        command = (sys.executable, "-P", "-m", "cli.main", "checkpoint", "tiny", str(folder))
        if subprocess.run(tied(command), check=False).returncode:  # noqa: S603 - our own command
            raise MissingCheckpoint(f"the small checkpoint could not be built in {folder}")
    return folder
