"""What a store must promise before a role starts on it."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from cli.stack.servers.valkey import Valkey
from shared.batches.batch import BatchSpec, new_batch_id
from shared.errors import Misconfigured, StoreUnavailable
from shared.files import Purpose, new_file_id
from shared.ids import DEFAULT_TENANT, new_job_id
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client, connect
from shared.store.core.durability import Durability, Wanted, check_durability
from shared.store.core.scripts import Replicas
from shared.store.files.files import FileStore
from shared.store.jobs.jobs import JobStore
from tests.cli.waiting import eventually
from tests.shared.store.builders import a_spec
from tests.shared.store.test_connect import configured


def refuse_config(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: str) -> None:
        raise redis.ResponseError("unknown command 'CONFIG'")

    monkeypatch.setattr(client, "config_get", refuse)


def test_a_store_that_syncs_every_write_loses_nothing(client: Client) -> None:
    assert check_durability(client, "checked") == Durability("always", 0.0)


def test_a_store_that_is_still_loading_is_away_and_not_misconfigured(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_loading = {**client.info(), "loading": 1, "aof_enabled": 0}  # as Valkey 9.1 answers then
    monkeypatch.setattr(client, "info", lambda: while_loading)
    for wanted in ("checked", "relaxed"):
        with pytest.raises(StoreUnavailable, match="loading"):
            check_durability(client, wanted)


@pytest.mark.parametrize("wanted", ["checked", "declared"])
@pytest.mark.parametrize(("name", "value"), [("appendfsync", "everysec"), ("appendonly", "no")])
def test_a_store_that_could_lose_jobs_is_refused_with_what_to_set(
    client: Client, valkey_url: str, wanted: Wanted, name: str, value: str
) -> None:
    with configured(client, name, value), pytest.raises(Misconfigured) as refusal:
        connect(valkey_url, wanted)
    assert "appendfsync always" in str(refusal.value)
    assert "GRIDPRESS_DURABILITY=relaxed" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "window_s"),
    [("appendfsync", "everysec", 2.0), ("appendfsync", "no", None), ("appendonly", "no", None)],
)
def test_a_relaxed_store_is_taken_and_its_window_is_known(
    client: Client, name: str, value: str, window_s: float | None
) -> None:
    with configured(client, name, value):
        assert check_durability(client, "relaxed") == Durability("relaxed", window_s)


def test_a_better_store_than_asked_for_is_called_what_it_is(client: Client) -> None:
    assert check_durability(client, "relaxed").mode == "always"


def test_a_store_that_refuses_config_needs_somebody_to_vouch_for_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_config(client, monkeypatch)
    with pytest.raises(Misconfigured, match="GRIDPRESS_DURABILITY=declared"):
        check_durability(client, "checked")
    assert check_durability(client, "declared") == Durability("always", 0.0)


@pytest.mark.parametrize("wanted", ["checked", "declared", "relaxed"])
def test_a_store_that_evicts_keys_is_refused_whatever_is_wanted(client: Client, wanted: Wanted) -> None:
    with (
        configured(client, "maxmemory-policy", "allkeys-lru"),
        pytest.raises(Misconfigured, match="set it to noeviction"),
    ):
        check_durability(client, wanted)


def test_a_wrong_password_is_a_setting_to_mend(valkey_url: str) -> None:
    with pytest.raises(Misconfigured, match="refuses the user or password"):
        connect(valkey_url.replace("redis://:", "redis://:not"))


def test_a_job_that_no_replica_holds_is_not_acknowledged_and_a_retry_finds_it(client: Client, store: JobStore) -> None:
    careful, job_id = JobStore(client, Replicas(count=1, timeout_s=0.01)), new_job_id()
    with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
        careful.submit(job_id, a_spec())
    kept = store.submit(job_id, a_spec(seed=99))
    assert kept.spec.seed == a_spec().seed
    assert len(kept.renders) == 1


def test_nor_is_a_file_or_a_batch_and_both_stand_for_a_retry(client: Client) -> None:
    careful, file_id, batch_id = Replicas(count=1, timeout_s=0.01), new_file_id(), new_batch_id()
    whole = {"purpose": Purpose.BATCH, "filename": "a", "num_bytes": 1, "sha256": "0", "lifetime_s": None}
    FileStore(client).open(file_id, DEFAULT_TENANT)
    with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
        FileStore(client, careful).close(file_id, DEFAULT_TENANT, **whole)
    assert FileStore(client).close(file_id, DEFAULT_TENANT, **whole).file_id == file_id
    asked = {"input_file_id": file_id, "endpoint": "/v1/jobs", "window": "1h", "window_s": 3600}
    spec = BatchSpec(tenant=DEFAULT_TENANT, **asked)
    with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
        BatchStore(client, careful).create(batch_id, spec)
    assert BatchStore(client).create(batch_id, spec).batch_id == batch_id


def test_a_job_that_a_replica_holds_is_acknowledged(client: Client, valkey_url: str, tmp_path: Path) -> None:
    replica = Valkey(tmp_path)
    with configured(client, "repl-diskless-sync-delay", "0"), connect(replica.start()) as follower:
        primary = urlsplit(valkey_url)
        follower.config_set("masterauth", str(primary.password))
        follower.replicaof(primary.hostname, primary.port)
        eventually(lambda: follower.info("replication").get("master_link_status") == "up")
        try:
            job_id = new_job_id()
            assert JobStore(client, Replicas(count=1, timeout_s=30)).submit(job_id, a_spec()).renders
            assert JobStore(follower).job(job_id, DEFAULT_TENANT)
        finally:
            replica.stop()
