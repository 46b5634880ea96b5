"""What the chart makes and runs itself: secrets of an evaluation, the download of weights."""

import os
import subprocess
from pathlib import Path

import pytest

from shared.access.keys import weakness
from shared.objects.sealing import Sealing
from shared.settings.settings import Settings
from shared.webhooks.secrets import is_webhook_secret
from tests.deploy.chart import ROOT, VALUE_SETS, Document, containers, of_kind, render, rendered, values_of

pytestmark = pytest.mark.deploy

_HF = """#!/bin/sh
echo "$@" >> "$CALLS"
while [ "$1" != --local-dir ]; do shift; done
[ -z "${OTHER_WINS:-}" ] || { mkdir -p "$OTHER_WINS" && touch "$OTHER_WINS/model_index.json"; }
mkdir -p "$2/.cache" && touch "$2/.cache/metadata" "$2/model_index.json"
exit ${FAILS:-0}
"""


def test_an_evaluation_has_secrets_of_the_right_form() -> None:
    [secret] = of_kind(rendered("evaluation"), "Secret")

    assert weakness(secret["stringData"]["api_key"]) is None
    assert is_webhook_secret(secret["stringData"]["webhook_secret"])
    Sealing.of(Settings(sealing_key=secret["stringData"]["sealing_key"]))


def test_two_evaluations_share_no_secret() -> None:
    [first] = of_kind(rendered("evaluation"), "Secret")
    [second] = of_kind(tuple(render(values_of("evaluation"))), "Secret")

    assert not set(first["stringData"].values()) & set(second["stringData"].values())


def test_api_and_delivery_sign_with_the_same_secrets() -> None:
    for value_set in ("production", "sentinel-tls"):
        pods = {name: _secrets(one) for name, one in _deployments(value_set)}
        assert pods["api"]["webhook_secret"] == pods["delivery"]["webhook_secret"] == pods["batches"]["webhook_secret"]
        assert pods["api"]["webhook_signing_key"] == pods["delivery"]["webhook_signing_key"]
        assert "webhook_secret" not in pods["dit"]


def test_api_delivery_and_upkeep_share_the_sealing_key() -> None:
    for value_set in ("production", "evaluation"):
        pods = {name: _secrets(one) for name, one in _deployments(value_set)}
        assert pods["api"]["sealing_key"] == pods["delivery"]["sealing_key"] == pods["upkeep"]["sealing_key"]
        assert not [name for name in ("ar", "dit", "batches") if "sealing_key" in pods[name]]


def test_the_prefetch_job_gets_no_secret_of_the_stores() -> None:
    [job] = [job for job in of_kind(rendered("production"), "Job") if "prefetch" in job["metadata"]["name"]]

    assert not [volume for volume in job["spec"]["template"]["spec"]["volumes"] if "projected" in volume]


def test_no_secret_is_a_variable_of_any_container() -> None:
    for value_set in VALUE_SETS:
        for name, one in containers(rendered(value_set)):
            assert not [each["name"] for each in one.get("env", []) if "valueFrom" in each], name
    [prefetch] = [one for name, one in containers(rendered("production")) if name.endswith("/prefetch")]
    [token] = [each["value"] for each in prefetch["env"] if each["name"] == "HF_TOKEN_PATH"]
    assert str(Path(token).parent) in [mount["mountPath"] for mount in prefetch["volumeMounts"]]


def test_an_evaluation_makes_its_bucket_as_compose_does() -> None:
    [args] = [one["args"] for name, one in containers(rendered("evaluation")) if name.endswith("/bucket")]

    assert args == ["python", "-c", (ROOT / "deploy" / "compose" / "bucket.py").read_text()]


def test_weights_appear_whole_and_only_once(tmp_path: Path) -> None:
    calls = tmp_path / "calls"

    assert _prefetch(tmp_path, calls, fails=1) != 0
    assert not (tmp_path / "weights" / "GLM-Image").exists()
    assert _prefetch(tmp_path, calls) == 0
    assert [path.name for path in (tmp_path / "weights" / "GLM-Image").iterdir()] == ["model_index.json"]
    assert _prefetch(tmp_path, calls) == 0

    assert calls.read_text().count("download zai-org/GLM-Image --revision 5f3d1c0 --local-dir") == 2


def test_a_download_that_another_one_overtakes_leaves_its_weights_alone(tmp_path: Path) -> None:
    calls, weights = tmp_path / "calls", tmp_path / "weights" / "GLM-Image"

    assert _prefetch(tmp_path, calls, other_wins=weights) != 0
    assert [path.name for path in weights.iterdir()] == ["model_index.json"]
    assert _prefetch(tmp_path, calls) == 0


def _prefetch(folder: Path, calls: Path, fails: int = 0, other_wins: Path | str = "") -> int:
    """Runs the Job's own script, with a stand-in for the hub's command."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "weights").mkdir(exist_ok=True)
    command = folder / "bin" / "hf"
    command.write_text(_HF)
    command.chmod(0o755)
    [args] = [one["args"] for name, one in containers(rendered("production")) if name.endswith("/prefetch")]
    *shell, model, _, revision = args
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "FAILS": str(fails),
        "OTHER_WINS": str(other_wins),
    }
    target = str(folder / "weights" / "GLM-Image")
    return subprocess.run([*shell, model, target, revision], env=environment, timeout=30, check=False).returncode


def _deployments(value_set: str) -> list[tuple[str, Document]]:
    found = of_kind(rendered(value_set), "Deployment")
    return [(one["spec"]["template"]["spec"]["containers"][0]["name"], one) for one in found]


def _secrets(deployment: Document) -> dict[str, tuple[str, str]]:
    """Returns which key of which Secret each file comes from."""
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    sources = [source["secret"] for volume in volumes for source in volume.get("projected", {}).get("sources", [])]
    return {item["path"]: (source["name"], item["key"]) for source in sources for item in source["items"]}
