"""The values in `deploy/proxy/` fit the settings' defaults. Needs no proxy."""

import re

import pytest

from shared.settings.settings import Settings
from tests.proxy.fronts import FILES, text_of

_UNITS = {"s": 1, "m": 1024 * 1024, "MB": 1_000_000}
SETTINGS = Settings.model_construct()
LARGEST = max(SETTINGS.max_body_bytes, SETTINGS.max_file_bytes, SETTINGS.max_batch_file_bytes)
LONGEST_WAIT_S = max(SETTINGS.max_wait_s, SETTINGS.images_wait_s)


def value(file: str, *names: str) -> float:
    """The value of the directive that nginx or Caddy calls by one of these names."""
    [(number, unit)] = re.findall(rf"^\s*(?:{'|'.join(names)}) (\d+)(s|m|MB);?(?:\s|$)", text_of(file), re.MULTILINE)
    return int(number) * _UNITS[unit]


@pytest.mark.parametrize("file", FILES)
def test_limits_and_times_fit_the_api(file: str) -> None:
    assert value(file, "client_max_body_size", "max_size") > LARGEST
    assert value(file, "proxy_read_timeout", "response_header_timeout") > LONGEST_WAIT_S
    assert value(file, "keepalive_timeout", "keepalive") < SETTINGS.idle_timeout_s


@pytest.mark.parametrize("kind", ["nginx{}.conf", "Caddyfile{}"])
def test_a_sub_path_changes_the_routes_and_nothing_else(kind: str) -> None:
    whole, part = (
        {line.strip() for line in text_of(kind.format(variant)).splitlines()} for variant in ("", "-subpath")
    )
    routes = re.compile(r"#|location|return|redir|handle|proxy_pass|X-Forwarded-Prefix|header_up|proxy_set_header")
    assert [line for line in whole ^ part if not routes.search(line)] in ([], [""])
