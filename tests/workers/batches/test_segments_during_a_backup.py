"""A segment that a larger one replaces stays while a backup is under way: the copied store names it."""

from contextlib import nullcontext

import pytest

from shared.objects.store import ObjectStore
from shared.store.backups.holds import BackupHolds
from shared.store.core.connect import Client
from tests.workers.batches.shop import Shop, some_lines


def segments(objects: ObjectStore, batch: str) -> set[str]:
    return {each.key for page in objects.entries(f"batches/{batch}/") for each in page}


@pytest.mark.parametrize("has_backup", [True, False])
def test_a_replaced_segment_is_deleted_unless_a_backup_is_under_way(
    shop: Shop, client: Client, has_backup: bool
) -> None:
    batch = shop.create(some_lines(3))
    for _ in range(2):
        shop.stir()
        shop.work()
        shop.render(1)
    shop.stir()
    shop.work()
    first = segments(shop.house.objects, batch["id"])
    assert first
    with BackupHolds(client).held() if has_backup else nullcontext():
        shop.render(1)
        shop.stir()
        shop.work()
    assert (first <= segments(shop.house.objects, batch["id"])) is has_backup
