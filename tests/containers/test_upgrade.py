"""An upgrade under load, from the revision that had no images of its own."""

from pathlib import Path

import pytest

from tests.containers.engine import Engine
from tests.containers.load import Load, OneEach
from tests.containers.stack import Stack, variables

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

_ROLES = ("api", "ar", "dit", "delivery", "batches", "upkeep")
_SECRETS = ("REDIS_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY", "WEBHOOK_SECRET", "WEBHOOK_SIGNING_KEY")
# The old revision reads no secret from a file, so a shell does.
_OLD = """\
  {role}:
    image: {image}
    entrypoint: [tini, --, sh, -c]
    command:
      - {exports} exec python -m {module}
"""
_MODULES = {role: f"workers.{role}" for role in _ROLES} | {"api": "api"}


def _exports() -> str:
    return " ".join(
        f"export GRIDPRESS_{name}=$$(cat /etc/gridpress/secrets/{name.lower()}); unset GRIDPRESS_{name}_FILE;"
        for name in _SECRETS
    )


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    parts = [
        _OLD.format(
            role=role,
            image=f"gridpress-{'api' if role == 'api' else 'worker'}:old",
            exports=_exports(),
            module=_MODULES[role],
        )
        for role in _ROLES
    ]
    path = tmp_path / "old.yaml"
    path.write_text("services:\n" + "".join(parts))
    return path


def test_an_upgrade_under_load_loses_nothing(
    engine: Engine, settings_file: Path, old_file: Path, tmp_path: Path
) -> None:
    old = Stack(engine, tmp_path, variables(), files=(settings_file, old_file))
    new = Stack(engine, tmp_path, variables(), files=(settings_file,))
    old.down()
    old.up()
    try:
        with OneEach(old.secret("webhook_secret")) as receiver:
            with Load(old, receiver) as load:
                load.wait_for(5)
                for role in ("upkeep", "ar", "dit", "delivery", "batches", "api"):
                    new.compose("up", "--detach", "--no-build", "--no-deps", role)
                    load.wait_for(2)
                new.wait_until_healthy()
            load.check()
        images = new.docker("ps", "--format", "{{.Image}}").split()
        assert not [image for image in images if image.endswith(":old")]
    finally:
        old.down()
