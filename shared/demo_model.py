"""The demonstration model: its name, what its pictures can show, and its revisions. Knows no files and no tensors."""

from shared.ids import Revision

NAME = "demo"  # of the model in GRIDPRESS_MODEL
# Completes a sentence: "It knows ...".
KNOWS = "shapes, backgrounds and quoted words: 'a red star on a blue background', 'a green poster that says \"OPEN\"'"
NOTE = f"Rendered by a small demonstration model. It knows {KNOWS}. More: docs/demo_model.md"
FOOTER = "By the small demonstration model of Gridpress. For the real one, set GRIDPRESS_MODEL=zai-org/GLM-Image"
_PREFIX = f"{NAME}-"


def demo_revision(fingerprint: str) -> Revision:
    """Returns the revision of demonstration weights with this content. It travels with every job that they render."""
    return Revision(_PREFIX + fingerprint)


def is_demo(revision: str | None) -> bool:
    """Returns whether a model revision is one of the demonstration model. A job has none before it is begun."""
    return revision is not None and revision.startswith(_PREFIX)
