"""Finds the weights of the demonstration model that ship with the package. Loads nothing, so it needs no torch."""

from pathlib import Path

from workers.checkpoint.folder import MARKER

DEMO_WEIGHTS = Path(__file__).parent / "demo" / "weights"


def demo_weights() -> Path | None:
    """Returns the checkpoint's folder; None in a package without the weights."""
    return DEMO_WEIGHTS if (DEMO_WEIGHTS / MARKER).is_file() else None
