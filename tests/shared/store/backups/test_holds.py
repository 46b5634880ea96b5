"""While a backup is under way, no list names an object to delete."""

from collections.abc import Callable, Sequence

import pytest

from shared.errors import StoreUnavailable
from shared.ids import TenantId
from shared.objects.store import ObjectStore
from shared.store.backups.holds import BackupHolds
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client
from shared.store.files.files import FileStore
from shared.store.inputs.inputs import InputStore
from shared.store.jobs.deleted import DeletedJobStore
from shared.store.renders.handovers import HandoverStore
from shared.store.tenants.erasure import ErasureStore
from workers.upkeep.erasure import Eraser

HOUR_MS = 3_600_000


def fill(client: Client) -> None:
    """One object of each kind is due for deletion."""
    client.zadd("gridpress:doomed", {"job_x": 1})
    client.zadd("gridpress:inputs_doomed", {"inputs/t/x.png": 1})
    client.zadd("gridpress:file_ends", {"file-x": 1})
    client.zadd("gridpress:handovers", {"jobs/job_y/0/h/unfinished": 1})
    client.zadd("gridpress:batch_deleted", {"batch_x|t": 1})
    client.sadd("gridpress:batch_doomed", "batch_y")


LISTS: dict[str, Callable[[Client], Sequence[object]]] = {
    "jobs": lambda client: DeletedJobStore(client).due(9),
    "condition images": lambda client: InputStore(client).unused(9),
    "files": lambda client: FileStore(client).take_ended(9),
    "handovers": lambda client: HandoverStore(client).ended(9),
    "deleted batches": lambda client: BatchStore(client).deleted(9),
    "purged batches": lambda client: BatchStore(client).purge(3600, 9),
}


@pytest.mark.parametrize("due", LISTS.values(), ids=LISTS)
def test_objects_are_deleted_only_when_a_backup_has_ended(
    client: Client, due: Callable[[Client], Sequence[object]]
) -> None:
    fill(client)
    assert due(client)
    with BackupHolds(client).held() as check:
        assert not due(client)
        check()
    assert due(client)


def test_an_erasure_waits_until_a_backup_has_ended(client: Client, objects: ObjectStore) -> None:
    tenant = TenantId("acme")
    InputStore(client).hold(tenant, [("0" * 64, 5)])
    ErasureStore(client).begin(tenant)
    eraser = Eraser(client, objects)
    with BackupHolds(client).held():
        assert eraser.step() == 0
        assert client.exists(f"gridpress:input_names:{tenant}")
    while eraser.step():
        pass
    assert not client.exists(f"gridpress:input_names:{tenant}")


def test_two_backups_hold_independently(client: Client) -> None:
    holds = BackupHolds(client)
    with holds.held():
        with holds.held():
            pass
        assert holds.are_there()
    assert not holds.are_there()


@pytest.mark.attack
def test_the_hold_of_a_killed_backup_ends_by_itself(client: Client) -> None:
    """The store's clock is past the end of the hold, which nobody renewed."""
    fill(client)
    client.zadd("gridpress:backups", {"killed": 1})
    assert not BackupHolds(client).are_there()
    assert all(due(client) for due in LISTS.values())


@pytest.mark.attack
def test_a_backup_whose_hold_ended_in_between_fails(client: Client) -> None:
    with BackupHolds(client).held(3600) as check:
        client.zadd("gridpress:backups", dict.fromkeys(client.zrange("gridpress:backups", 0, -1), 1))
        with pytest.raises(StoreUnavailable, match="away too long"):
            check()


def test_a_hold_is_renewed_until_the_backup_ends(client: Client) -> None:
    with BackupHolds(client).held(0.6) as check:
        (name,) = client.zrange("gridpress:backups", 0, -1)
        first = client.zscore("gridpress:backups", name)
        while client.zscore("gridpress:backups", name) == first:
            pass
        check()
