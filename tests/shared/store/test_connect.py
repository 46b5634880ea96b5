"""What the connection makes of a store that refuses: an outage, not a bug."""

import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from cli.stack.ports import free_ports
from shared.errors import StoreUnavailable
from shared.ids import new_job_id
from shared.store.core import connect as connecting
from shared.store.core.connect import Client, connect
from shared.store.jobs.jobs import JobStore
from tests.shared.store.builders import a_spec


@contextmanager
def configured(client: Client, name: str, value: str) -> Iterator[None]:
    before = client.config_get(name)[name]
    client.config_set(name, value)
    try:
        yield
    finally:
        client.config_set(name, before)


def test_every_role_is_told_how_to_get_a_store_that_does_not_answer() -> None:
    with pytest.raises(StoreUnavailable, match="set GRIDPRESS_REDIS_URL"):
        connect(f"redis://127.0.0.1:{free_ports(1)[0]}")


def test_sentinels_that_know_no_primary_are_told_in_words() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        connect(f"sentinel://127.0.0.1:{free_ports(1)[0]}/mymaster")
    assert "'mymaster': no sentinel that answers knows a primary of this name" in str(caught.value)
    assert "redis.client" not in str(caught.value)


@pytest.mark.parametrize("form", ["redis://127.0.0.1:{}/0", "sentinel://127.0.0.1:{}/mymaster"])
def test_a_server_that_is_no_store_is_told_in_words(form: str) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _AnswersAsHttp) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(StoreUnavailable, match="is not a Redis or Valkey"):
            connect(form.format(server.server_address[1]))
        server.shutdown()


class _AnswersAsHttp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        if self.request.recv(4096):
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_full_store_is_an_outage(client: Client, store: JobStore) -> None:
    with configured(client, "maxmemory", "1"), pytest.raises(StoreUnavailable):
        store.submit(new_job_id(), a_spec())
    assert store.submit(new_job_id(), a_spec())


def test_a_primary_that_became_a_replica_is_an_outage(client: Client, store: JobStore) -> None:
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        with pytest.raises(StoreUnavailable):
            store.submit(new_job_id(), a_spec())
    finally:
        client.execute_command("REPLICAOF", "NO", "ONE")


def test_a_store_without_the_replicas_that_it_needs_is_an_outage(client: Client, store: JobStore) -> None:
    with configured(client, "min-replicas-to-write", "1"), pytest.raises(StoreUnavailable):
        store.submit(new_job_id(), a_spec())


def test_a_store_that_starts_again_when_a_script_was_just_loaded_is_an_outage(
    client: Client, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = client.script_load

    def load_and_lose(text: str) -> str:
        sha = str(load(text))
        client.script_flush()
        return sha

    client.script_flush()
    with monkeypatch.context() as patch:
        patch.setattr(client, "script_load", load_and_lose)
        with pytest.raises(StoreUnavailable, match="No matching script"):
            store.submit(new_job_id(), a_spec())
    assert store.submit(new_job_id(), a_spec())


def test_more_callers_than_connections_take_turns(client: Client) -> None:
    num_callers = 2 * connecting._NUM_CONNECTIONS
    with ThreadPoolExecutor(num_callers) as threads:
        answers = list(threads.map(lambda _: client.blpop(["nothing"], timeout=0.05), range(num_callers)))
    assert answers == [None] * num_callers
    assert sum(entry["cmd"] == "blpop" for entry in client.client_list()) <= connecting._NUM_CONNECTIONS
