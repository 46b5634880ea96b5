"""Names the revisions of models whose DiT computes every quality in FP8, also `exact`.

Such pictures differ from those of the checkpoint's own weights. So their revision differs too, and a job gets pictures
of one kind only, whichever worker renders it.
"""

from shared.ids import Revision
from shared.settings.fp8 import Fp8

_MARK = "-fp8"


def served_revision(revision: Revision, fp8: Fp8) -> Revision:
    """Returns the revision that a worker serves with this setting. AR and DiT workers with equal settings agree."""
    return Revision(revision + _MARK) if fp8 == "all" else revision


def has_exact_in_fp8(revision: str | None) -> bool:
    """Returns whether pictures of this revision have quality `exact` computed in FP8."""
    return revision is not None and revision.endswith(_MARK)
