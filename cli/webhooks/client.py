"""Implements the requests of the commands for webhooks."""

from dataclasses import replace

from cli.client import Client, Json
from gridpress.client.calls import endpoints
from gridpress.client.calls.call import escaped

# The route with the attempts for an id, by the prefix of the id.
_LOGS = {"job": "/v1/jobs/{}/webhook_attempts", "evt": "/v1/webhook_messages/{}/attempts"}
ENDPOINTS = endpoints.ENDPOINTS
_ENDPOINT_LOG = "/v1/webhook_endpoints/{}/attempts"


class WebhookClient(Client):
    """A client for the API's routes of webhook endpoints and messages. Raises the errors of `Client`."""

    def endpoints(self, limit: int) -> Json:
        """Returns a page of up to `limit` webhook endpoints in `data`, the newest first."""
        return self._json(replace(endpoints.endpoints(), params={"limit": limit}))

    def create(self, fields: Json) -> Json:
        """Creates a webhook endpoint. Returns the endpoint with its secret."""
        rest = {name: value for name, value in fields.items() if name not in ("url", "secret")}
        return self._json(endpoints.create(fields["url"], fields.get("secret"), rest))

    def delete_endpoint(self, endpoint_id: str) -> None:
        self._send(endpoints.delete(endpoint_id))

    def change(self, endpoint_id: str, action: str, fields: Json | None = None) -> Json:
        """Sends an action to a webhook endpoint and returns the API's response.

        Actions are `disable`, `enable`, `rotate_secret`, `test`, `recover` and `replay`.
        """
        return self._post(f"{endpoints.path(endpoint_id)}/{action}", fields or None)

    def resend(self, message_id: str, endpoint_id: str | None) -> Json:
        """Has the service send a webhook message again, to one endpoint or to all receivers.

        Returns an object with the number of deliveries that the service will make, in `num_messages`.
        """
        body = {"endpoint_id": endpoint_id} if endpoint_id else None
        return self._post(f"/v1/webhook_messages/{escaped(message_id)}/resend", body)

    def attempts(self, name: str, limit: int) -> Json:
        """Returns a page of up to `limit` webhook attempts in `data`, the newest first.

        `name` is the id of an endpoint, a job or a message.
        """
        path = _LOGS.get(name.partition("_")[0], _ENDPOINT_LOG).format(escaped(name))
        return self._get(path, limit=limit)
