"""Names the demonstration model and its revisions, and describes in words what the model can draw. Reads no files."""

from shared.ids import Revision

NAME = "demo"  # the value of GRIDPRESS_MODEL that selects this model
# Completes the sentence "It knows ..." in messages.
KNOWS = "shapes, backgrounds and quoted words: 'a red star on a blue background', 'a green poster that says \"OPEN\"'"
NOTE = f"Rendered by a small demonstration model. It knows {KNOWS}. More: docs/demo_model.md"
FOOTER = "By the small demonstration model of Gridpress. For the real one, set GRIDPRESS_MODEL=zai-org/GLM-Image"
_PREFIX = f"{NAME}-"


def demo_revision(fingerprint: str) -> Revision:
    """Returns the revision of demonstration weights, made from the fingerprint of their content. Jobs that were
    rendered with these weights carry this revision.
    """
    return Revision(_PREFIX + fingerprint)


def is_demo(revision: str | None) -> bool:
    """Returns whether a model revision belongs to the demonstration model. A job has no revision before it starts."""
    return revision is not None and revision.startswith(_PREFIX)
