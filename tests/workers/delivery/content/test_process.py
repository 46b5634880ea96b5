"""The delivery process with content hooks: killed while a hook decides, and asked to stop."""

import signal
import time

import pytest

from shared.jobs.states import JobStatus, Stage
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, submitted
from tests.workers.delivery.content.hooks import REJECT, SECRET, FakeHook, hooking
from tests.workers.delivery.content.test_service import Shop
from tests.workers.delivery.test_process import LIMIT_S, delivering


def variables(hook: FakeHook) -> dict[str, str]:
    return {"PROMPT_HOOK_URL": hook.url, "PICTURE_HOOK_URL": hook.url, "CONTENT_HOOK_SECRET": SECRET}


def wait_until_ended(store: JobStore, job_id: str) -> JobStatus:
    for _ in range(LIMIT_S * 20):
        job = store.job_of_any_tenant(job_id)  # type: ignore[arg-type]
        if job.status.is_final:
            return job.status
        time.sleep(0.05)
    raise AssertionError("the job does not end")


def test_a_hook_that_was_asked_by_a_killed_process_is_asked_again_with_the_same_id(
    s3_settings: Settings, valkey_url: str, client: Client
) -> None:
    store = JobStore(client, checks_prompts=True)
    with hooking((200, REJECT)) as hook:
        hook.gate.clear()
        job = submitted(store)
        with delivering(s3_settings, valkey_url, **variables(hook)) as process:
            hook.wait_for(1, LIMIT_S)
            process.send_signal(signal.SIGKILL)
            process.wait(LIMIT_S)
        assert store.job_of_any_tenant(job.job_id).status is JobStatus.QUEUED
        assert LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID) is None
        client.zadd("gridpress:checks:interactive", {job.job_id: 0})  # as if the lease had ended
        hook.gate.set()
        with delivering(s3_settings, valkey_url, **variables(hook)) as process:
            hook.wait_for(2, LIMIT_S)
            assert wait_until_ended(store, job.job_id) is JobStatus.REJECTED
            process.terminate()
            assert process.wait(LIMIT_S) == 0
        assert len(set(hook.ids)) == 1
        assert [each["type"] for each in hook.questions] == ["content.prompt"] * 2


def test_a_process_that_is_asked_to_stop_finishes_the_check_under_way(
    s3_settings: Settings, valkey_url: str, client: Client, objects: ObjectStore
) -> None:
    with hooking() as hook:
        hook.gate.clear()
        job, picture = Shop(client, objects, s3_settings, hook).rendered()
        with delivering(s3_settings, valkey_url, **variables(hook)) as process:
            hook.wait_for(1, LIMIT_S)
            process.terminate()
            hook.gate.set()
            assert process.wait(LIMIT_S) == 0
        done = JobStore(client).job_of_any_tenant(job.job_id)
        assert (done.status, done.renders[0].picture) == (JobStatus.SUCCEEDED, picture)


@pytest.mark.parametrize("missing", ["secret", "permission"])
def test_a_process_with_a_hook_that_can_not_be_called_does_not_start(
    s3_settings: Settings, valkey_url: str, missing: str
) -> None:
    changes = {"PROMPT_HOOK_URL": "http://127.0.0.1:1/", "CONTENT_HOOK_SECRET": SECRET}
    if missing == "secret":
        del changes["CONTENT_HOOK_SECRET"]
    else:
        changes["PROMPT_HOOK_URL"] = "http://10.0.0.7/"
    with delivering(s3_settings, valkey_url, **changes) as process:
        assert process.wait(LIMIT_S) == 78, "a setting is wrong"
