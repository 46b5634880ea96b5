"""Describes the broker to Celery's tools: an address that Flower can use, and no password beyond the store's own."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from celery.app.amqp import AMQP
from kombu import Connection

from shared.hints.broker import SentinelTransport, Transport


def _without_passwords(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in {"password", "ssl_password"}}


class BrokerConnection(Connection):
    """A kombu connection whose URI has a scheme that Celery's tools know. Flower takes the address from it."""

    resolve_aliases: ClassVar[dict[str, str]] = {
        **Connection.resolve_aliases,
        f"{Transport.__module__}:{Transport.__name__}": "redis",
        f"{SentinelTransport.__module__}:{SentinelTransport.__name__}": "sentinel",
    }

    def info(self) -> dict[str, Any]:
        """Returns facts about the connection, which Celery's tools show. The passwords of the sentinels and of a key
        file are left out; Celery itself leaves out only the store's password.
        """
        found = super().info()
        options = dict(found["transport_options"])
        if "sentinel_kwargs" in options:
            options["sentinel_kwargs"] = _without_passwords(options["sentinel_kwargs"])
        shown = _without_passwords(found["ssl"]) if found["ssl"] else found["ssl"]
        return {**found, "transport_options": options, "ssl": shown}

    def as_uri(self, include_password: bool = False, mask: str = "**", **options: Any) -> str:
        """Returns the broker's URI, by default without the password."""
        path = self.transport_options.get("connection_options", {}).get("path")
        if path is None:
            return str(super().as_uri(include_password, mask, **options))
        password = quote(self.password or "", safe="") if include_password else mask
        return f"redis+socket://:{password}@{quote(path)}"


class BrokerMessages(AMQP):
    """Celery's maker of messages and connections, with connections of this module."""

    Connection = BrokerConnection
