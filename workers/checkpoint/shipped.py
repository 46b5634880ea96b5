"""Finds the demonstration model's weights that ship with the package. Loads no weights, so it needs no torch."""

from pathlib import Path

from workers.checkpoint.folder import MARKER

DEMO_WEIGHTS = Path(__file__).parent / "demo" / "weights"


def demo_weights() -> Path | None:
    """Returns the folder of the shipped demonstration checkpoint, or None in a package without the weights."""
    return DEMO_WEIGHTS if (DEMO_WEIGHTS / MARKER).is_file() else None
