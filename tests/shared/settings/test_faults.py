"""A wrong setting is named with a reason that needs no knowledge of the code."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from shared.process.starting import EXIT_MISCONFIGURED
from shared.settings.faults import faults_of
from shared.settings.settings import Settings
from tests.shared.wording.phrases import check


def fault_of(**given: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    return faults_of(caught.value)


@pytest.mark.parametrize(
    "url", ["render.example", "https://h.example/sub?x=1", "https://h.example/#a", "ftp://h.example"]
)
def test_a_public_url_of_another_form_is_told_which_form_it_needs(url: str) -> None:
    assert fault_of(public_url=url) == (
        "GRIDPRESS_PUBLIC_URL must be http:// or https://, a host and perhaps a path, without ? or #"
    )


def test_the_fault_of_a_network_says_which_network_it_could_be() -> None:
    assert fault_of(trusted_proxies="10.0.0.1/8") == (
        "GRIDPRESS_TRUSTED_PROXIES: 10.0.0.1/8 is an address inside of the network 10.0.0.0/8: write 10.0.0.0/8"
    )
    assert fault_of(trusted_proxies="proxy") == (
        "GRIDPRESS_TRUSTED_PROXIES: proxy is not a network such as 10.0.0.0/8 or 2001:db8::/32"
    )


@pytest.mark.parametrize("value", ["abc", "-1", "1e999", "nan", "tcp://10.0.0.1:80", "x" * 9_000])
def test_every_wrong_setting_is_told_in_our_words(value: str) -> None:
    fault = fault_of(**dict.fromkeys(Settings.model_fields, value))
    check(fault)
    assert "GRIDPRESS_DIT_SLOTS must be a whole number, not " in fault or value == "-1"
    assert len(fault) < 120 * len(Settings.model_fields)  # none repeats a long value


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"dit_slots": "abc"}, 'GRIDPRESS_DIT_SLOTS must be a whole number, not "abc"'),
        ({"metrics_port": "0"}, 'GRIDPRESS_METRICS_PORT must be a whole number from 1 to 65535, not "0"'),
        ({"low_memory": "maybe"}, 'GRIDPRESS_LOW_MEMORY must be true or false, not "maybe"'),
        ({"s3_secret_key": ["a secret"]}, "GRIDPRESS_S3_SECRET_KEY must be text"),
        ({"durability": "cheked"}, 'relaxed, not "cheked": did you mean checked?'),
    ],
)
def test_a_wrong_setting_is_told_what_would_work(given: dict[str, Any], fault: str) -> None:
    assert fault in fault_of(**given)


def test_a_setting_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDPRESS_ENHANCE_EXTRA_BODY", "{a: 1}")
    with pytest.raises(SettingsError) as caught:
        Settings()
    assert faults_of(caught.value) == 'GRIDPRESS_ENHANCE_EXTRA_BODY must be JSON, such as {"name": "value"}'


def test_a_certificate_without_tls_names_the_variables_to_look_at() -> None:
    assert "GRIDPRESS_REDIS_CA_FILE" in fault_of(redis_url="redis://127.0.0.1:6379/0", redis_ca_file="ca.pem")


def test_the_api_without_its_packages_says_what_to_install() -> None:
    code = "import runpy, sys; sys.modules['gevent'] = None; runpy.run_module('api', run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == EXIT_MISCONFIGURED
    assert ended.stderr.count("\n") == 1
    assert "pip install 'gridpress[api]'" in ended.stderr
