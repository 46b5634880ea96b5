"""Rules that every rendered manifest keeps, whatever the values."""

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

import pytest

from shared.settings.secret_files import SECRETS
from shared.settings.settings import Settings
from tests.deploy.chart import VALUE_SETS, Document, containers, of_kind, pod_templates, rendered, values_of

pytestmark = [pytest.mark.deploy, pytest.mark.parametrize("value_set", VALUE_SETS)]

_DRAIN_S = 20
_STAGES = ("-ar", "-dit")
_STORES = ("evaluation-",)


def _environment(container: Document) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def _is_role(name: str, document: Document) -> bool:
    return document["kind"] == "Deployment" and not any(part in name for part in _STORES)


def test_no_variable_holds_a_secret(value_set: str) -> None:
    made = [
        value
        for secret in of_kind(rendered(value_set), "Secret")
        for key, value in secret["stringData"].items()
        if key in SECRETS or key in ("api_key", "valkey_password")
    ]
    for name, container in containers(rendered(value_set)):
        shown = " ".join(map(str, [_environment(container), container.get("args"), container.get("command")]))
        assert not [value for value in made if value in shown], name
        assert not re.search(r"//[^/ ]*:[^/ ]+@", shown), name
        secret_variables = {f"GRIDPRESS_{secret.upper()}" for secret in SECRETS - {"redis_url"}}
        assert not secret_variables & set(_environment(container)), name


def test_every_variable_is_a_setting(value_set: str) -> None:
    known = {f"GRIDPRESS_{name.upper()}" for name in Settings.model_fields}
    known |= {f"GRIDPRESS_{name.upper()}_FILE" for name in SECRETS | {"api_key"}}

    used = {name for _, container in containers(rendered(value_set)) for name in _environment(container)}

    assert not {name for name in used if name.startswith("GRIDPRESS_")} - known
    assert "GRIDPRESS_DRAIN_GRACE_S" in used


def test_the_settings_of_every_role_are_valid(value_set: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _, container in containers(rendered(value_set), with_init=False):
        given = {key: value for key, value in _environment(container).items() if value and not key.endswith("_FILE")}
        with monkeypatch.context() as patch:
            for key, value in given.items():
                patch.setenv(key, value)
            Settings()


def test_every_container_is_confined(value_set: str) -> None:
    for name, container in containers(rendered(value_set)):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True, name
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["capabilities"] == {"drop": ["ALL"]}, name
        assert security["runAsUser"] == 10001, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
    for name, template in pod_templates(rendered(value_set)):
        assert template["spec"]["automountServiceAccountToken"] is False, name
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True, name


def test_every_container_says_what_it_needs(value_set: str) -> None:
    for name, container in containers(rendered(value_set)):
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert "memory" in container["resources"]["limits"], name


def test_what_lasts_has_probes_and_only_what_can_judge_a_hang_is_killed(value_set: str) -> None:
    for document in of_kind(rendered(value_set), "Deployment", "StatefulSet"):
        name = document["metadata"]["name"]
        [container] = document["spec"]["template"]["spec"]["containers"]
        assert {"startupProbe", "readinessProbe"} <= set(container), name
        is_killed = name.endswith("-api") or document["kind"] == "StatefulSet"
        assert ("livenessProbe" in container) is is_killed, name


def test_every_module_that_is_started_exists(value_set: str) -> None:
    started = 0
    for name, container in containers(rendered(value_set), with_init=False):
        match container.get("args"):
            case ["python", "-m", module]:
                assert importlib.util.find_spec(f"{module}.__main__"), name
                started += 1
            case ["gridpress", "keys", "ensure", *_] | ["python", "-c", _, *_] | ["sh", "-euc", *_]:
                pass
            case None:
                assert name.split("/")[0].startswith("gp-gridpress-evaluation"), name
            case other:
                pytest.fail(f"{name} runs {other}")
    assert started >= 6


def test_ports_that_are_named_exist(value_set: str) -> None:
    documents = rendered(value_set)
    for service in of_kind(documents, "Service"):
        [template] = _selected(documents, service["spec"]["selector"])
        names = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    for _, container in containers(documents, with_init=False):
        named = {port["name"] for port in container.get("ports", [])}
        probed = {
            probe[kind]["port"]
            for probe in (container.get(f"{moment}Probe", {}) for moment in ("startup", "readiness", "liveness"))
            for kind in ("httpGet", "tcpSocket")
            if kind in probe
        }
        assert probed <= named


def test_selectors_select(value_set: str) -> None:
    documents = rendered(value_set)
    for document in of_kind(documents, "Deployment", "StatefulSet"):
        labels = document["spec"]["template"]["metadata"]["labels"]
        assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for budget in of_kind(documents, "PodDisruptionBudget"):
        assert len(_selected(documents, budget["spec"]["selector"]["matchLabels"])) == 1
        assert budget["spec"]["maxUnavailable"] == 1


def test_every_pod_has_one_policy_of_both_directions(value_set: str) -> None:
    documents = rendered(value_set)
    policies = of_kind(documents, "NetworkPolicy")
    for name, template in pod_templates(documents):
        labels = template["metadata"]["labels"]
        found = [one for one in policies if one["spec"]["podSelector"]["matchLabels"].items() <= labels.items()]
        assert [one["spec"]["policyTypes"] for one in found] == [["Ingress", "Egress"]], name


def test_what_keda_scales_names_no_replicas(value_set: str) -> None:
    documents = rendered(value_set)
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(documents, "ScaledObject")}
    deployments = {one["metadata"]["name"]: one["spec"] for one in of_kind(documents, "Deployment")}

    assert scaled <= set(deployments)
    assert {name for name, spec in deployments.items() if "replicas" not in spec} == scaled


def test_keda_reads_a_field_that_the_api_has(value_set: str) -> None:
    for scaled in of_kind(rendered(value_set), "ScaledObject"):
        [trigger] = scaled["spec"]["triggers"]
        stage = scaled["metadata"]["name"].rpartition("-")[2]
        assert trigger["metadata"]["valueLocation"] == f"stages.{stage}.wanted_workers"
        assert trigger["metadata"]["authMode"] == "bearer"
        assert trigger["metadata"]["targetValue"] == "1"


def test_images_are_pinned(value_set: str) -> None:
    for name, container in containers(rendered(value_set)):
        assert re.search(r":\w[\w.-]*$", container["image"]), name
        assert not container["image"].endswith(":latest"), name


def test_pods_have_time_to_drain(value_set: str) -> None:
    least_s = values_of(value_set).get("drainGraceS", _DRAIN_S) + 15
    for document in of_kind(rendered(value_set), "Deployment"):
        pod = document["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert float(_environment(container)["GRIDPRESS_DRAIN_GRACE_S"]) == least_s - 15
        pause_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1]) if "lifecycle" in container else 0
        assert pod["terminationGracePeriodSeconds"] >= least_s + pause_s


def test_a_card_is_free_before_the_next_pod_starts(value_set: str) -> None:
    for document in of_kind(rendered(value_set), "Deployment"):
        if document["metadata"]["name"].endswith(_STAGES):
            assert document["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_ar_and_dit_name_the_same_model(value_set: str) -> None:
    models = {
        _environment(container)["GRIDPRESS_MODEL"]
        for name, container in containers(rendered(value_set), with_init=False)
        if name.endswith(("/ar", "/dit"))
    }

    assert len(models) == 1


def test_every_file_that_a_variable_names_is_mounted(value_set: str) -> None:
    for name, template in pod_templates(rendered(value_set)):
        for container in template["spec"]["containers"]:
            files = _mounted_files(template["spec"], container)
            for key, value in _environment(container).items():
                if key.startswith("GRIDPRESS_") and key.endswith("_FILE") and key != "GRIDPRESS_READY_FILE":
                    assert value in files, f"{name}: {key}"


def _selected(documents: tuple[Document, ...], labels: Mapping[str, str]) -> list[Document]:
    return [one for _, one in pod_templates(documents) if labels.items() <= one["metadata"]["labels"].items()]


def _mounted_files(pod: Document, container: Document) -> set[str]:
    mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", [])}
    files = set()
    for volume in pod.get("volumes", []):
        folder = mounts.get(volume["name"])
        for source in volume.get("projected", {}).get("sources", []):
            files |= {f"{folder}/{item['path']}" for item in source["secret"]["items"]}
        if secret := volume.get("secret"):
            kinds = [item["path"] for item in secret.get("items", [])] or ["tls.crt", "tls.key"]
            files |= {f"{folder}/{path}" for path in kinds}
    return files
