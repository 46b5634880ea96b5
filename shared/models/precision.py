"""Names the revisions of models whose AR stage computes in FP8, or whose DiT does for every quality, also `exact`.

Such pictures differ from those of the checkpoint's own weights. So their revision differs too, and a job gets pictures
of one kind only, whichever worker renders it.
"""

from shared.ids import Revision
from shared.settings.fp8 import Fp8

_MARK = "-fp8"
_AR_MARK = "-arfp8"


def served_revision(revision: Revision, fp8: Fp8, *, is_ar_in_fp8: bool = False) -> Revision:
    """Returns the revision that a worker serves with these settings. AR and DiT workers with equal settings agree."""
    marks = (_AR_MARK if is_ar_in_fp8 else "") + (_MARK if fp8 == "all" else "")
    return Revision(revision + marks)


def has_exact_in_fp8(revision: str | None) -> bool:
    """Returns whether pictures of this revision have quality `exact` computed in FP8."""
    return revision is not None and revision.endswith(_MARK)
