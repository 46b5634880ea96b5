"""Which processes of an installation have different sealing keys."""

import pytest

from shared.objects.sealing import Sealing
from shared.objects.sealing_holders import SealingHolder, fault_of
from shared.settings.settings import Settings

API, DELIVERY, UPKEEP = "api", "delivery", "upkeep"


def holder(role: str, *key_ids: str, folder: str = "", host: str = "a") -> SealingHolder:
    return SealingHolder(role, host, folder, key_ids)


@pytest.mark.parametrize(
    "holders",
    [
        [],
        [holder(API, "new"), holder(DELIVERY, "new"), holder(UPKEEP, "new")],
        [holder(API, "new", "old"), holder(DELIVERY, "new")],
        [holder(API, "old"), holder(DELIVERY, "new", "old")],  # a key is being replaced
        [holder(DELIVERY, "one"), holder(UPKEEP, "other")],  # neither seals
        [holder(API, folder="a:/data"), holder(DELIVERY, folder="b:/data", host="b")],  # there is no secret yet
        [holder(API, "new", folder="a:/data"), holder(DELIVERY, folder="a:/data")],  # it has not looked again
    ],
)
def test_keys_that_open_what_the_api_seals_agree(holders: list[SealingHolder]) -> None:
    assert fault_of(holders) is None
    assert fault_of(SealingHolder.parse(str(each)) for each in reversed(holders)) is None


@pytest.mark.parametrize(
    ("holders", "words"),
    [
        (
            [holder(API, "new"), holder(DELIVERY, "old", host="b")],
            "api on a (key new) and delivery on b (key old)",
        ),
        ([holder(API, "new"), holder(UPKEEP, host="b")], "api on a (key new) and upkeep on b (no key) have"),
        ([holder(API), holder(DELIVERY, "old")], "api on a (no key) and delivery on a (key old) have"),
        ([holder(API, "new", "old"), holder(DELIVERY, "old")], "api on a (key new) and delivery on a (key old) have"),
        ([holder(API, "one"), holder(API, "other", host="b")], "api on a (key one) and api on b (key other) have"),
        ([holder(API, "new", folder="a:/data"), holder(DELIVERY, folder="b:/data")], "delivery on a (no key) have"),
    ],
)
def test_a_difference_is_one_line_with_the_remedy(holders: list[SealingHolder], words: str) -> None:
    fault = fault_of(holders)
    assert fault
    assert words in fault
    assert "set the same GRIDPRESS_SEALING_KEY for the API, delivery and upkeep" in fault
    assert "\n" not in fault


@pytest.mark.parametrize(
    ("holders", "is_fault"),
    [
        ([holder(API, folder="a:/data")], False),
        ([holder(API, folder="a:/data"), holder(DELIVERY, folder="a:/data")], False),
        ([holder(API, folder="a:/data"), holder(DELIVERY, folder="b:/data", host="b")], True),
        ([holder(API, folder="a:/data"), holder(UPKEEP, folder="a:/other")], True),
        ([holder(API, folder="a:/data"), holder(API, folder="b:/data", host="b")], True),
        ([holder(API, "new"), holder(DELIVERY, "new")], False),
    ],
)
def test_nothing_is_sealed_with_a_key_that_only_the_api_would_have(
    holders: list[SealingHolder], is_fault: bool
) -> None:
    assert fault_of(holders) is None
    fault = fault_of(holders, before_seal=True)
    assert bool(fault) == is_fault
    assert not fault or "have no common sealing key: set the same GRIDPRESS_SEALING_KEY" in fault


def test_a_key_in_the_data_folder_counts_as_the_setting(s3_settings: Settings) -> None:
    before = SealingHolder.of(API, s3_settings)
    assert before.key_ids == ()
    made = Sealing.of(s3_settings)
    assert SealingHolder.of(DELIVERY, s3_settings).key_ids == made.key_ids
    assert SealingHolder.of(DELIVERY, s3_settings).folder == before.folder
