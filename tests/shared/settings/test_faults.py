"""A wrong setting is named with a reason that needs no knowledge of the code."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from shared.process.starting import EXIT_MISCONFIGURED
from shared.settings.faults import faults_of
from shared.settings.settings import Settings


def fault_of(**given: str) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    return faults_of(caught.value)


@pytest.mark.parametrize(
    "url", ["render.example", "https://h.example/sub?x=1", "https://h.example/#a", "ftp://h.example"]
)
def test_a_public_url_of_another_form_is_told_which_form_it_needs(url: str) -> None:
    assert fault_of(public_url=url) == (
        "GRIDPRESS_PUBLIC_URL: must be http:// or https://, a host and perhaps a path, without ? or #"
    )


def test_the_fault_of_a_network_begins_with_the_network() -> None:
    assert fault_of(trusted_proxies="10.0.0.1/8") == "GRIDPRESS_TRUSTED_PROXIES: 10.0.0.1/8 has host bits set"


def test_a_certificate_without_tls_names_the_variables_to_look_at() -> None:
    assert "GRIDPRESS_REDIS_CA_FILE" in fault_of(redis_url="redis://127.0.0.1:6379/0", redis_ca_file="ca.pem")


def test_the_api_without_its_packages_says_what_to_install() -> None:
    code = "import runpy, sys; sys.modules['gevent'] = None; runpy.run_module('api', run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == EXIT_MISCONFIGURED
    assert ended.stderr.count("\n") == 1
    assert "pip install 'gridpress[api]'" in ended.stderr
