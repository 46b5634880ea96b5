"""The part of the HTTP API that is about webhooks."""

from typing import Any
from urllib.parse import quote

from cli.client import Client, Json

# What an id is of, by its prefix.
_LOGS = {"job": "/v1/jobs/{}/webhook_attempts", "evt": "/v1/webhook_messages/{}/attempts"}
_ENDPOINT_LOG = "/v1/webhook_endpoints/{}/attempts"


class WebhookClient(Client):
    """Raises like `Client`."""

    def endpoints(self, limit: int) -> list[Json]:
        """The newest first."""
        return list(self._json("GET", "/v1/webhook_endpoints", params={"limit": limit})["data"])

    def create(self, fields: Json) -> Json:
        """The endpoint with its secret."""
        return self._json("POST", "/v1/webhook_endpoints", json=fields)

    def delete_endpoint(self, endpoint_id: str) -> None:
        self._send("DELETE", _path(endpoint_id))

    def change(self, endpoint_id: str, action: str, fields: Json | None = None) -> Json:
        """`disable`, `enable`, `rotate_secret`, `test`, `recover` or `replay`; what the API answers."""
        body: dict[str, Any] = {"json": fields} if fields else {}
        return self._json("POST", f"{_path(endpoint_id)}/{action}", **body)

    def resend(self, message_id: str, endpoint_id: str | None) -> int:
        """How many deliveries are due again."""
        body: dict[str, Any] = {"json": {"endpoint_id": endpoint_id}} if endpoint_id else {}
        path = f"/v1/webhook_messages/{_quoted(message_id)}/resend"
        return int(self._json("POST", path, **body)["num_messages"])

    def attempts(self, name: str, limit: int) -> list[Json]:
        """Of an endpoint, a job or a message, the newest first."""
        path = _LOGS.get(name.partition("_")[0], _ENDPOINT_LOG).format(_quoted(name))
        return list(self._json("GET", path, params={"limit": limit})["data"])


def _path(endpoint_id: str) -> str:
    return f"/v1/webhook_endpoints/{_quoted(endpoint_id)}"


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")
