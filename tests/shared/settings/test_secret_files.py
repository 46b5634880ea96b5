"""Secret settings that a file holds."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.stack.roles import environment
from shared.errors import Misconfigured
from shared.settings.secret_files import SECRETS, file_variable
from shared.settings.settings import Settings

Give = Callable[[str, str], Path]


@pytest.fixture
def give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Give:
    """Writes a file and names it in the environment."""

    def give(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        monkeypatch.setenv(file_variable(name), str(path))
        return path

    return give


def plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_gives_a_secret_without_its_last_newline(give: Give, name: str, end: str) -> None:
    give(name, f" redis://:p w@host{end}")
    assert plain(getattr(Settings(), name)) == " redis://:p w@host"


def test_every_setting_that_is_typed_as_a_secret_may_come_from_a_file() -> None:
    typed = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert typed <= SECRETS <= set(Settings.model_fields)


def test_a_value_beside_a_file_is_refused_and_neither_is_told(give: Give, monkeypatch: pytest.MonkeyPatch) -> None:
    give("s3_secret_key", "hush")
    monkeypatch.setenv("GRIDPRESS_S3_SECRET_KEY", "hush hush")
    with pytest.raises(Misconfigured, match=r"^GRIDPRESS_S3_SECRET_KEY and GRIDPRESS_S3_SECRET_KEY_FILE are both set"):
        Settings()


def test_an_empty_variable_is_as_good_as_none(give: Give, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDPRESS_REDIS_URL", "")
    give("redis_url", "redis://here")
    assert Settings().redis_url == "redis://here"
    monkeypatch.setenv("GRIDPRESS_REDIS_URL", "redis://there")
    monkeypatch.setenv("GRIDPRESS_REDIS_URL_FILE", "")
    assert Settings().redis_url == "redis://there"


def test_an_argument_beats_a_file(give: Give) -> None:
    give("redis_url", "redis://here")
    assert Settings(redis_url="redis://there").redis_url == "redis://there"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_without_a_text_is_refused(give: Give, content: bytes) -> None:
    give("webhook_secret", "").write_bytes(content)
    with pytest.raises(Misconfigured, match="GRIDPRESS_WEBHOOK_SECRET_FILE="):
        Settings()


def test_other_settings_are_not_read_from_files(give: Give, monkeypatch: pytest.MonkeyPatch) -> None:
    give("served_model_name", "other")
    assert Settings().served_model_name == "zai-org/GLM-Image"
    monkeypatch.setenv("GRIDPRESS_READY_FILE", "/run/ready")  # a setting whose own name ends so
    assert Settings().ready_file == Path("/run/ready")


def test_a_role_whose_secret_is_missing_ends_with_one_line_and_78() -> None:
    env = {**os.environ, "GRIDPRESS_REDIS_URL_FILE": "/nowhere/redis_url"}
    ended = subprocess.run(
        [sys.executable, "-m", "workers.upkeep"], env=env, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (
        78,
        "gridpress upkeep: GRIDPRESS_REDIS_URL_FILE=/nowhere/redis_url can't be read: No such file or directory\n",
    )


def test_a_setting_that_is_not_json_is_named_and_not_shown() -> None:
    env = {**os.environ, "GRIDPRESS_ENHANCE_EXTRA_BODY": "{hush"}
    command = [sys.executable, "-m", "workers.upkeep"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (
        78,
        'gridpress upkeep: GRIDPRESS_ENHANCE_EXTRA_BODY must be JSON, such as {"name": "value"}\n',
    )


def test_the_service_hands_its_roles_the_file_and_not_the_secret(give: Give) -> None:
    give("webhook_secret", "hush")
    given = environment(Settings(port=8001))
    assert given["GRIDPRESS_PORT"] == "8001"
    assert "GRIDPRESS_WEBHOOK_SECRET" not in given
