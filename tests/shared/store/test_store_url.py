"""URLs of sentinels."""

import pytest

from shared.celery_app import make_celery
from shared.errors import Misconfigured
from shared.settings.store_url import read_sentinels, tls_of
from shared.store.core.connect import connect


def test_a_url_names_sentinels_primary_and_logins() -> None:
    url = "sentinel://app:p%40ss@one,two:26380,[::1]:26381/main?db=2&sentinel_password=s%26t&sentinel_username=watch"
    found = read_sentinels(url)
    assert found.hosts == (("one", 26379), ("two", 26380), ("::1", 26381))
    assert (found.name, found.db, found.user, found.password) == ("main", 2, "app", "p@ss")
    assert found.sentinel_options == {"username": "watch", "password": "s&t"}


def test_the_broker_is_told_the_same() -> None:
    conf = make_celery("sentinel://app:p%40ss@one,[::1]:26381/main?db=2").conf
    assert conf.broker_url == "sentinel://app:p%40ss@one:26379/2;sentinel://app:p%40ss@[::1]:26381/2"
    assert conf.broker_transport_options["master_name"] == "main"
    assert conf.broker_use_ssl is False


def test_tls_holds_for_sentinels_and_primary() -> None:
    url = "sentinels://one/main?ssl_ca_certs=/ca.pem&ssl_check_hostname=False"
    tls = {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False}
    assert tls_of(url) == tls
    assert read_sentinels(url).sentinel_options == {"username": None, "password": None, "ssl": True, **tls}
    assert make_celery(url).conf.broker_use_ssl == tls


@pytest.mark.parametrize(
    "url", ["sentinel://one", "sentinel://one/", "sentinel:///main", "sentinel://one,/main", "sentinel://one:x/main"]
)
def test_another_form_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"^GRIDPRESS_REDIS_URL is not of the form sentinel://"):
        connect(url)


def test_a_number_of_a_database_that_is_none_is_refused() -> None:
    with pytest.raises(Misconfigured):
        connect("sentinel://one/main?db=x")
