"""Values that can't work are refused in one line that names the value."""

import copy
from typing import Any

import pytest
from helm_python import HelmError

from tests.deploy.chart import render, values_of

pytestmark = pytest.mark.deploy

# (value set that is good, what is changed, how its line begins)
_CASES: list[tuple[str, str, Any, str]] = [
    ("production", "redis.existingSecret", "", "redis.existingSecret: name a Secret"),
    ("evaluation", "redis.url", "redis://store:6379", "evaluation.enabled: it brings a store"),
    ("production", "redis.url", "redis://store:6379", "redis.url: redis.existingSecret is set"),
    ("gpu-mig", "redis.url", "redis://:secret@store:6379", "redis.url: holds a password"),
    ("gpu-mig", "redis.url", "redis://store:6379/0?password=secret", "redis.url: holds a password"),
    ("gpu-mig", "redis.url", "sentinel://a:26379/main?sentinel_password=secret", "redis.url: holds a password"),
    ("production", "tracing.endpoint", "https://user:secret@collector:4318", "tracing.endpoint: holds a login"),
    ("production", "enhance.baseUrl", "https://user:secret@chat/v1", "enhance.baseUrl: holds a login"),
    ("production", "objectStore.endpointUrl", "https://user:secret@s3", "objectStore.endpointUrl: holds a login"),
    ("gpu-mig", "redis.url", "http://store", "at '/redis/url'"),
    ("gpu-mig", "redis.caSecret", "store-ca", "redis.url: certificates are set"),
    ("production", "redis.durability", "relaxed", "redis.durability: relaxed may lose"),
    ("gpu-mig", "redis.acceptLoss", False, "redis.durability: relaxed may lose"),
    ("production", "redis.durability", "never", "at '/redis/durability'"),
    ("production", "objectStore.existingSecret", "", "objectStore.existingSecret: name a Secret"),
    ("aws-irsa", "objectStore.existingSecret", "keys", "objectStore.credentials: role uses no keys"),
    ("gpu-mig", "objectStore.links", "presigned", "objectStore.links: clients outside can't reach"),
    ("gpu-mig", "networkPolicy.objectStorePorts", [443], "networkPolicy.objectStorePorts: lacks 9000"),
    ("production", "webhooks.existingSecret", "", "webhooks.existingSecret: API and delivery have to sign with"),
    ("production", "ingress.host", "", "ingress.host: an ingress needs"),
    ("production", "ingress.host", "https://a.example.com", "at '/ingress/host'"),
    ("production", "apiKey.existingSecret", "", "apiKey.existingSecret: a public host needs a key"),
    ("aws-irsa", "apiKey.existingSecret", "", "apiKey.existingSecret: a public host needs a key"),
    ("gpu-mig", "service.type", "LoadBalancer", "apiKey.existingSecret: a public port needs a key"),
    ("gpu-mig", "keda.enabled", True, "keda.existingSecret: KEDA reads"),
    ("aws-irsa", "gateway.parentRefs", [], "gateway.parentRefs: an HTTPRoute needs"),
    ("production", "publicUrl", "http://pictures.example.com", "publicUrl: the ingress has a certificate"),
    ("production", "publicUrl", "pictures.example.com", "at '/publicUrl'"),
    ("production", "apiKey.scopes", ["root"], "at '/apiKey/scopes/0'"),
    ("production", "keda.ar", {"min": 5, "max": 4}, "keda.ar.max: 4 is below keda.ar.min, which is 5"),
    ("production", "keda.dit.max", 0, "at '/keda/dit/max'"),
    ("production", "metrics.port", 8000, "metrics.port: 8000 is the API's port"),
    ("production", "api.port", 80, "at '/api/port'"),
    ("production", "terminationGracePeriodSeconds", 54, "terminationGracePeriodSeconds: 54 is too short"),
    ("production", "drainGraceS", 66, "terminationGracePeriodSeconds: 90 is too short"),
    ("production", "drainGraceS", 0, "at '/drainGraceS'"),
    ("production", "settings.share_device", True, "settings.share_device: AR and DiT are pods"),
    ("production", "dit.settings.share_device", True, "dit.settings.share_device: AR and DiT are pods"),
    ("production", "settings.max_promt_chars", 5, "at '/settings': additional properties 'max_promt_chars'"),
    ("production", "settings.max_n", 0.5, "at '/settings/max_n'"),
    ("production", "settings.batch_floor", 1, "at '/settings/batch_floor'"),
    ("production", "settings.webhook_secret", "whsec_x", "at '/settings': additional properties 'webhook_secret'"),
    ("production", "ar.extraEnv", [{"name": "GRIDPRESS_MAX_N", "value": "3"}], "at '/ar/extraEnv/0/name'"),
    ("production", "ar.gpu.count", 0.5, "at '/ar/gpu/count'"),
    ("production", "ar.gpu.resource", "gpu", "at '/ar/gpu/resource'"),
    ("production", "ar.replica", 2, "at '/ar': additional properties 'replica'"),
    ("production", "weights.existingClaim", "weights", "weights.create: weights.existingClaim is set"),
    ("production", "weights.create", False, "prefetch.enabled: needs a claim"),
    ("production", "weights.accessMode", "ReadWriteOnce", "weights.accessMode: ReadWriteOnce lets one node"),
    ("production", "model.name", "simulate", "prefetch.enabled: a simulated model has no weights"),
    ("production", "model.name", "/models/glm", "model.name: /models/glm is a folder"),
    ("production", "enhance.baseUrl", "", "enhance.baseUrl: enhancement needs"),
    ("production", "images.tag", "latest", "at '/images/tag'"),
    ("production", "upkeep.replicas", 0, "at '/upkeep/replicas'"),
    ("production", "postgres", {}, "at '': additional properties 'postgres'"),
]


@pytest.mark.parametrize(("good", "path", "value", "line"), _CASES, ids=[f"{c[1]}={c[2]}"[:60] for c in _CASES])
def test_a_value_that_cannot_work_is_refused_in_one_line(good: str, path: str, value: Any, line: str) -> None:
    with pytest.raises(HelmError) as refusal:
        render(_changed(values_of(good), path, value))

    lines = str(refusal.value).splitlines()
    assert [each for each in lines if line in each], str(refusal.value)
    # What Helm says around it, apart from where in the templates it was: one reason, not several.
    assert sum(each.lstrip().startswith("- at '") for each in lines) in (0, 1), str(refusal.value)


def _changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(values)
    *folders, last = path.split(".")
    place = changed
    for folder in folders:
        place = place.setdefault(folder, {})
    place[last] = value
    return changed
