"""The Compose stack keeps every job while an operator and accidents do what they do."""

import json
import os
import signal
import time

import pytest

from tests.containers.load import Load, OneEach
from tests.containers.stack import Stack

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]


def test_pictures_are_rendered_through_the_proxy_with_tls(stack: Stack, receiver: OneEach) -> None:
    with Load(stack, receiver) as load:
        load.wait_for(5)
    assert load.check() >= 5


def test_no_secret_is_in_a_log_an_image_or_what_inspect_shows(stack: Stack) -> None:
    names = ("api_key", "webhook_secret", "webhook_signing_key", "sealing_key", "valkey_password", "s3_secret_key")
    secrets = {name: stack.secret(name) for name in names}
    inspected = stack.docker("inspect", *stack.docker("ps", "--all", "--quiet").split())
    history = "".join(
        stack.docker("history", "--no-trunc", image) for image in ("gridpress-api:new", "gridpress-worker:new")
    )
    shown = inspected + history + stack.compose("logs", "--no-color")
    assert [name for name, text in secrets.items() if text in shown] == []


def test_every_container_runs_as_nobody_special(stack: Stack) -> None:
    for found in json.loads(stack.docker("inspect", *stack.docker("ps", "--quiet").split())):
        host = found["HostConfig"]
        assert found["Config"]["User"] == "10001:10001", found["Name"]
        assert host["ReadonlyRootfs"], found["Name"]
        assert host["CapDrop"] == ["ALL"], found["Name"]
        assert "no-new-privileges:true" in host["SecurityOpt"], found["Name"]
        assert not host.get("Init"), "tini is in the image"


def test_a_killed_dit_container_loses_nothing_and_comes_back(stack: Stack, receiver: OneEach) -> None:
    [container] = stack.containers("dit")
    pid = stack.state(container)["Pid"]
    with Load(stack, receiver) as load:
        load.wait_for(3)
        # From outside, as the kernel does when memory is short: the engine does not take it for the operator's wish.
        os.kill(pid, signal.SIGKILL)
        stack.wait_until(lambda: stack.state(container)["Pid"] not in (0, pid))
        load.wait_for(3)
    stack.wait_until_healthy()
    load.check()


def test_three_dit_containers_share_the_work(stack: Stack, receiver: OneEach) -> None:
    stack.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", "dit=3")
    stack.wait_until_healthy()
    with Load(stack, receiver) as load:
        load.wait_for(12)
    load.check()
    client = stack.client()
    assert client.get("/v1/stats").json()["stages"]["dit"]["workers"] == 3


def test_a_drained_worker_hands_its_render_on_in_time(stack: Stack, receiver: OneEach) -> None:
    [container, *_] = stack.containers("dit")
    with Load(stack, receiver) as load:
        load.wait_for(6)
        begun_s = time.monotonic()
        stack.docker("stop", container)
        took_s = time.monotonic() - begun_s
        load.wait_for(3)
    state = stack.state(container)
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    assert took_s < 25, "SIGKILL ended it"
    load.check()
    stack.docker("start", container)


def test_a_restarted_api_loses_no_request(stack: Stack, receiver: OneEach) -> None:
    with Load(stack, receiver) as load:
        load.wait_for(3)
        stack.compose("restart", "api")
        load.wait_for(5)
    stack.wait_until_healthy()
    load.check()


def test_a_killed_store_comes_back_with_every_job(stack: Stack, receiver: OneEach) -> None:
    [valkey] = stack.containers("valkey")
    with Load(stack, receiver) as load:
        load.wait_for(5)
        os.kill(stack.state(valkey)["Pid"], signal.SIGKILL)
        load.wait_for(5)
    stack.wait_until_healthy()
    load.check()


def test_a_machine_that_starts_anew_goes_on_with_every_job(stack: Stack, receiver: OneEach) -> None:
    with Load(stack, receiver) as load:
        load.wait_for(5)
        stack.engine.stop()
        stack.engine.start()
        load.wait_for(3)
    stack.wait_until_healthy()
    load.check()
