"""Each form of a store URL: the same connection for the clients of the store and for the Celery broker, or a refusal in
words.
"""

from typing import Any

import pytest
from redis import Redis, SSLConnection, UnixDomainSocketConnection

from shared.celery_app import make_celery
from shared.errors import Misconfigured
from shared.settings.store_url import Sentinels, Server, read_store_url
from shared.store.core.connect import connect, connect_with_timeout

SECRET = "geheim"
REDIS = {"host": "h", "port": 6379, "db": 0, "username": None, "password": None}
SOCKET = {"path": "/run/a b.sock", "db": 0, "username": None, "password": None}
TLS = {"connection_class": SSLConnection, "ssl_cert_reqs": "required"}


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new channel of kombu pings its server, and none of these servers exists."""
    monkeypatch.setattr(Redis, "ping", lambda _: True)


def broker_options(url: str, *, is_worker: bool = False) -> dict[str, Any]:
    """Returns the options with which kombu opens a connection; `is_worker` asks for those of the consumer."""
    with make_celery(url).connection_for_write() as connection, connection.channel() as channel:
        return dict(channel._connparams(asynchronous=is_worker))


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://h", REDIS),
        ("redis://h:7000/3", REDIS | {"port": 7000, "db": 3}),
        ("redis://h/1?db=2", REDIS | {"db": 2}),
        ("redis://", REDIS | {"host": "localhost"}),
        ("redis://:pw@:7000", REDIS | {"host": "localhost", "port": 7000, "password": "pw"}),
        ("redis://[::1]:7000/", REDIS | {"host": "::1", "port": 7000}),
        ("redis://app@h", REDIS | {"username": "app"}),
        ("redis://a%3Ap:p%40s%2Fs%25%3B%23@h", REDIS | {"username": "a:p", "password": "p@s/s%;#"}),
        ("redis://p;w:x,y@h", REDIS | {"username": "p;w", "password": "x,y"}),
        ("redis://h?username=app&password=p%26w", REDIS | {"username": "app", "password": "p&w"}),
        ("redis://h?client_name=us&socket_timeout=1.5", REDIS | {"client_name": "us", "socket_timeout": 1.5}),
        ("redis://h?protocol=2&socket_keepalive=no", REDIS | {"protocol": 2, "socket_keepalive": False}),
        ("unix:///run/a%20b.sock", SOCKET | {"connection_class": UnixDomainSocketConnection}),
        ("unix://app:p%40s@/run/a%20b.sock?db=2", SOCKET | {"username": "app", "password": "p@s", "db": 2}),
        ("unix://:pw@/run/a%20b.sock?protocol=3", SOCKET | {"password": "pw", "protocol": 3}),
        ("rediss://h", REDIS | TLS),
        ("REDISS://h/1", REDIS | TLS | {"db": 1}),
        (
            "rediss://app:pw@h?ssl_ca_certs=/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem&ssl_check_hostname=no",
            REDIS
            | {"username": "app", "password": "pw", "ssl_ca_certs": "/ca.pem", "ssl_certfile": "/c.pem"}
            | {"ssl_keyfile": "/k.pem", "ssl_check_hostname": False, "ssl_cert_reqs": "required"},
        ),
        ("rediss://h?ssl_cert_reqs=none", REDIS | {"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        (
            "rediss://h?ssl_min_version=771&ssl_ca_path=/ca",
            REDIS | TLS | {"ssl_min_version": 771, "ssl_ca_path": "/ca"},
        ),
    ],
)
def test_clients_and_broker_connect_alike(url: str, options: dict[str, Any]) -> None:
    pool = connect_with_timeout(url, 1.5).connection_pool
    client = {**pool.connection_kwargs, "connection_class": pool.connection_class}
    assert {name: client.get(name) for name in options} == options
    worker_class = broker_options(url, is_worker=True)["connection_class"]
    broker = broker_options(url)
    assert {name: broker.get(name) for name in options} == options
    assert issubclass(worker_class, options.get("connection_class", worker_class))
    pool.connection_class(**pool.connection_kwargs)  # a name that redis-py does not know is a TypeError
    broker.pop("connection_class")(**{name: value for name, value in broker.items() if name != "max_connections"})


def test_options_of_the_pool_reach_only_the_clients() -> None:
    url = "redis://h?max_connections=7&timeout=2&health_check_interval=30"
    pool = connect_with_timeout(url, 1).connection_pool
    assert (pool.max_connections, pool.timeout, pool.connection_kwargs["health_check_interval"]) == (7, 2, 30)
    assert (broker_options(url)["max_connections"], broker_options(url)["health_check_interval"]) == (10, 3)


def test_the_timeout_of_a_heartbeat_comes_before_that_of_the_url() -> None:
    assert (
        connect_with_timeout("redis://h?socket_timeout=60", 1.0).connection_pool.connection_kwargs["socket_timeout"]
        == 1
    )


def test_a_url_names_sentinels_primary_logins_and_options() -> None:
    url = "sentinel://app:p%40ss@one,two:26380,[::1]:26381/main?db=2&sentinel_password=s%26t&sentinel_username=watch"
    found = read_store_url(f"{url}&client_name=us")
    assert isinstance(found, Sentinels)
    assert found.hosts == (("one", 26379), ("two", 26380), ("::1", 26381))
    assert (found.name, found.db, found.user, found.password) == ("main", 2, "app", "p@ss")
    assert found.sentinel_options == {"username": "watch", "password": "s&t"}
    assert found.options == {"client_name": "us"}


def test_the_broker_is_told_the_same_sentinels() -> None:
    conf = make_celery("sentinel://app:p%40ss@one,[::1]:26381/main?db=2&socket_timeout=3").conf
    assert conf.broker_url == "sentinel://app:p%40ss@one:26379/2;sentinel://app:p%40ss@[::1]:26381/2"
    options = conf.broker_transport_options
    assert (options["master_name"], options["sentinel_kwargs"]["socket_timeout"]) == ("main", 3)
    assert conf.broker_use_ssl is False


def test_tls_holds_for_sentinels_and_primary() -> None:
    url = "sentinels://one/main?ssl_ca_certs=/ca.pem&ssl_check_hostname=False"
    tls = {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False}
    found = read_store_url(url)
    assert isinstance(found, Sentinels)
    assert found.sentinel_options == {"username": None, "password": None, "ssl": True, **tls}
    assert make_celery(url).conf.broker_use_ssl == tls


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "no job store"),
        (f"{SECRET}@h", "is not of the form redis://"),
        (f"http://:{SECRET}@h", "is not of the form redis://"),
        (f"valkey://:{SECRET}@h", "write redis://USER"),
        (f"valkeys://:{SECRET}@h", "write rediss://"),
        (f"redis+socket://:{SECRET}@/run/x.sock", "write unix://"),
        (f"redis-sentinel://:{SECRET}@h/main", "write sentinel://"),
        (f"redis+cluster://:{SECRET}@h", "names a Redis Cluster"),
        (f"rediscluster://:{SECRET}@h", "names a Redis Cluster"),
        (f"redis://:{SECRET}/x@h:6379", "invalid port"),
        (f"redis://:{SECRET}#x@h:6379", "write %23 for #"),
        (f"redis://:{SECRET}@[h", "its host is not valid"),
        (f"redis://h/{SECRET}", "the database is not a number"),
        (f"redis://h?db={SECRET}", "the value of the option db is not valid"),
        ("redis://h?db=-1", "the value of the option db is not valid"),
        ("redis://h?socket_timeout=-1", "the value of the option socket_timeout is not valid"),
        ("redis://h?socket_timeout=nan", "the value of the option socket_timeout is not valid"),
        ("redis://h?protocol=4", "the value of the option protocol is not valid"),
        ("redis://h?max_connections=0", "the value of the option max_connections is not valid"),
        ("rediss://h?ssl_cert_reqs=maybe", "the value of the option ssl_cert_reqs is not valid"),
        ("rediss://h?ssl_min_version=1", "the value of the option ssl_min_version is not valid"),
        ("redis://h?decode_responses=no", "the option decode_responses is not supported; supported are client_name"),
        ("redis://h?ssl_ca_certs=/ca.pem", "the option ssl_ca_certs needs TLS"),
        ("rediss://h?sentinel_password=x", "the option sentinel_password is not supported"),
        (f"redis://user:12?{SECRET}=x@h", "an option in the query is not supported"),
        ("unix://run/x.sock", "a Unix socket has no host"),
        ("unix://", "the path of the socket is missing"),
        ("unix:/run/x.sock", "is not of the form redis://"),
        ("sentinel://one", "the name of the primary is missing"),
        ("sentinel://one/", "the name of the primary is missing"),
        ("sentinel:///main", "a host is missing"),
        ("sentinel://one,/main", "a host is missing"),
        (f"sentinel://one:{SECRET}/main", "invalid port"),
        ("sentinel://one/main?db=x", "the value of the option db is not valid"),
    ],
)
def test_another_form_is_refused_in_words_that_hide_the_url(url: str, reason: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        connect(url)
    assert reason in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_password_is_in_no_representation() -> None:
    assert SECRET not in repr(read_store_url(f"redis://:{SECRET}@h"))
    found = read_store_url(f"sentinel://:{SECRET}@h/main?sentinel_password={SECRET}")
    assert SECRET not in repr(found)
    assert isinstance(read_store_url("redis://h"), Server)
