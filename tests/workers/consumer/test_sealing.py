"""A worker whose sealing key differs from the API's says so once, and once more when it is mended."""

from pydantic import SecretStr
from structlog.testing import capture_logs

from shared.objects.sealing import new_sealing_key
from shared.settings.settings import Settings
from shared.store.copies.sealing_keys import SealingKeys
from shared.store.core.connect import Client
from workers.consumer.sealing import look


def keys(client: Client, role: str, text: str) -> SealingKeys:
    return SealingKeys(client, role, Settings(sealing_key=SecretStr(text)))


def test_a_difference_is_logged_once_until_it_is_mended(client: Client) -> None:
    old, new = new_sealing_key(), new_sealing_key()
    assert keys(client, "api", new).fault() is None
    worker = keys(client, "delivery", old)
    with capture_logs() as logged:
        fault = look(worker)
        assert look(worker, fault) == fault
    assert fault
    assert [(each["event"], each["log_level"], each["error"]) for each in logged] == [
        ("sealing.keys_differ", "error", fault)
    ]
    assert not {old, new} & set(str(client.zrange("gridpress:sealing", 0, -1)).split('"'))
    client.delete("gridpress:sealing")  # the process with the other key has ended
    keys(client, "api", new).fault()
    with capture_logs() as logged:
        assert look(keys(client, "delivery", f"{new},{old}"), fault) is None
    assert [each["event"] for each in logged] == ["sealing.keys_agree"]


def test_a_process_that_ended_counts_for_a_minute(client: Client) -> None:
    old, new = new_sealing_key(), new_sealing_key()
    keys(client, "delivery", old).fault()
    (ended,) = client.zrange("gridpress:sealing", 0, -1)
    assert keys(client, "api", new).fault()
    client.zincrby("gridpress:sealing", -61_000, ended)
    assert keys(client, "api", new).fault() is None
