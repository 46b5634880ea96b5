"""The setting for FP8, and the revisions that it makes."""

import pytest
from pydantic import ValidationError

from shared.ids import Revision
from shared.models.precision import has_exact_in_fp8, served_revision
from shared.settings.settings import Settings


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("1", "all"), ("true", "all"), ("True", "all"), (True, "all"), ("on", "all"), ("all", "all"),
        ("0", "off"), ("false", "off"), (False, "off"), ("no", "off"), ("off", "off"),
        ("tiers", "tiers"), ("auto", "auto"),
    ],
)  # fmt: skip
def test_words_of_earlier_releases_keep_their_meaning(given: object, read: str) -> None:
    assert Settings(dit_fp8=given).dit_fp8 == read  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["exact", "2", "", "none"])
def test_other_words_are_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="dit_fp8"):
        Settings(dit_fp8=given)  # type: ignore[arg-type]


def test_exact_in_fp8_is_another_revision_and_the_tiers_are_not() -> None:
    revision = Revision("abc123")
    served = {fp8: served_revision(revision, fp8) for fp8 in ("auto", "off", "tiers", "all")}  # type: ignore[arg-type]
    assert served == {**dict.fromkeys(("auto", "off", "tiers"), revision), "all": "abc123-fp8"}
    assert [has_exact_in_fp8(each) for each in (revision, served["all"], None)] == [False, True, False]


def test_ar_in_fp8_is_another_revision_whatever_the_dit_does() -> None:
    revision = Revision("abc123")
    served = [served_revision(revision, fp8, is_ar_in_fp8=ar) for fp8 in ("tiers", "all") for ar in (False, True)]
    assert served == ["abc123", "abc123-arfp8", "abc123-fp8", "abc123-arfp8-fp8"]
    assert [has_exact_in_fp8(each) for each in served] == [False, False, True, True], "exact is of the DiT"
