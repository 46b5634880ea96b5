"""Keeps a package that no stage needs out of a worker's process. To be called before transformers is imported."""

import sys


def leave_out_scipy() -> None:
    """Makes scipy look as if it were not installed, for the whole process.

    transformers and diffusers import scipy wherever it is installed, for losses and noise schedules that GLM-Image does
    not have. The import takes a tenth of a worker's start.
    """
    sys.modules.setdefault("scipy", None)  # type: ignore[arg-type]  # documented: an import of None fails
