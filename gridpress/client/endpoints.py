"""Implements the calls about webhook endpoints of the sync client. `async_endpoints` is its twin."""

from collections.abc import Iterator
from typing import Unpack

from gridpress.client.calls import endpoints
from gridpress.client.calls.endpoints import EndpointFields
from gridpress.client.sync_transport import Transport
from shared.responses.webhook_endpoints import EndpointResponse, EndpointWithSecret


class Endpoints:
    """The calls of `/v1/webhook_endpoints`, as `Client().webhooks.endpoints`. Changes need the scope `admin`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        url: str,
        *,
        secret: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[EndpointFields],
    ) -> EndpointWithSecret:
        """Creates a webhook endpoint, and returns it with its signing secret. Without `secret` the service draws one.

        Raises `InvalidRequest` with the invalid fields, and `Conflict` if there are too many endpoints.
        """
        return self._transport.send(endpoints.create(url, secret, fields), idempotency_key)

    def list(self) -> Iterator[EndpointResponse]:
        """Yields all webhook endpoints, the newest first."""
        return self._transport.pages(endpoints.endpoints())

    def get(self, endpoint_id: str) -> EndpointResponse:
        """Returns a webhook endpoint, without its secret. Raises `NotFound`."""
        return self._transport.send(endpoints.endpoint(endpoint_id))

    def change(self, endpoint_id: str, *, url: str | None = None, **fields: Unpack[EndpointFields]) -> EndpointResponse:
        """Changes some fields of a webhook endpoint, and returns it. Pending messages go to the new URL."""
        return self._transport.send(endpoints.change(endpoint_id, {**fields, **({"url": url} if url else {})}))

    def disable(self, endpoint_id: str) -> EndpointResponse:
        """Disables a webhook endpoint, and returns it. It gets no new messages, and pending ones wait."""
        return self._transport.send(endpoints.switch(endpoint_id, "disable"))

    def enable(self, endpoint_id: str) -> EndpointResponse:
        """Enables a webhook endpoint, and returns it. Pending messages are sent."""
        return self._transport.send(endpoints.switch(endpoint_id, "enable"))

    def secret(self, endpoint_id: str) -> str:
        """Returns the secret that signs the webhooks of an endpoint, for `verify`."""
        return self._transport.send(endpoints.secret(endpoint_id))

    def rotate_secret(
        self, endpoint_id: str, *, secret: str | None = None, idempotency_key: str | None = None
    ) -> EndpointWithSecret:
        """Replaces the secret of a webhook endpoint, and returns the endpoint with it. Both sign for 24 hours."""
        return self._transport.send(endpoints.rotate_secret(endpoint_id, secret), idempotency_key)

    def delete(self, endpoint_id: str) -> None:
        """Deletes a webhook endpoint with its pending messages. Raises `NotFound`."""
        self._transport.send(endpoints.delete(endpoint_id))
