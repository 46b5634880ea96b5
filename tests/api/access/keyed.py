"""A caller with an API key, for tests of what it may do."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.access.keys import ApiKey
from shared.access.rights import Rights, Scope
from shared.ids import TenantId
from shared.settings.networks import read_networks
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client

ACME, GLOBEX = TenantId("acme"), TenantId("globex")

Json = dict[str, Any]


class Keyed:
    """Sends one API key with every request. It is stored at once, with these rights."""

    def __init__(self, http: FlaskClient, client: Client, *scopes: Scope, tenant: TenantId = ACME, **rights: Any):
        if "networks" in rights:
            rights["networks"] = read_networks(rights["networks"])
        self.http = http
        self.key: ApiKey
        self.key, self.text = KeyStore(client).add(tenant, Rights(frozenset(scopes or [Scope.ADMIN]), **rights))

    def send(self, method: str, path: str, *, text: str = "", address: str = "127.0.0.1", **what: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {text or self.text}", **what.pop("headers", {})}
        environ = {"REMOTE_ADDR": address}
        return self.http.open(path, method=method, headers=headers, environ_overrides=environ, **what)

    def get(self, path: str, **what: Any) -> Json:
        return self._json("GET", path, 200, **what)

    def post(self, path: str, status: int = 200, **what: Any) -> Json:
        return self._json("POST", path, status, **what)

    def patch(self, path: str, **what: Any) -> Json:
        return self._json("PATCH", path, 200, **what)

    def make(self, **fields: Any) -> Json:
        """Creates an API key over HTTP."""
        return self.post("/v1/keys", 201, json=fields)

    def refusal(self, method: str, path: str, **what: Any) -> tuple[int, str, str | None]:
        """Returns the status, the code and the field with which a request is refused."""
        answer = self.send(method, path, **what)
        told = answer.get_json()
        assert answer.content_type == "application/problem+json", answer.text
        return answer.status_code, told["code"], told["field"]

    def _json(self, method: str, path: str, status: int, **what: Any) -> Json:
        answer = self.send(method, path, **what)
        assert answer.status_code == status, answer.text
        return dict(answer.get_json())
