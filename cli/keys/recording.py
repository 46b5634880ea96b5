"""Records the changes that commands make to API keys and limits in the store, without the API, in the audit log."""

import getpass
import socket
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from shared.access.audit import Act, Fact, new_act_id, now
from shared.access.keys import ApiKey, KeyId
from shared.access.limits import TenantLimits
from shared.access.rights import Rights, Scope
from shared.ids import TenantId
from shared.settings.settings import Settings
from shared.store.access.keys import Ensured, KeyStore
from shared.store.audit.audit import AuditStore
from shared.store.core.connect import Client

_OK = 200


class RecordedKeys(KeyStore):
    """API keys and limits of a store. The audit log has an entry for every change.

    An entry names the command, the user of the system and the machine, since no API key proves who acts.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        super().__init__(client)
        self._audit = AuditStore(client, settings.audit_retention_s, settings.max_audit_entries)

    def add(self, tenant: TenantId, rights: Rights, **how: Any) -> tuple[ApiKey, str]:
        """Creates an API key as `KeyStore.add` does."""
        with self._recorded(of_tenant=tenant, scopes=_names(rights.scopes)) as facts:
            key, text = super().add(tenant, rights, **how)
            facts["key_id"] = key.key_id
        return key, text

    def ensure(
        self, text: str, tenant: TenantId, scopes: Iterable[Scope], *, update: bool = False
    ) -> tuple[ApiKey, Ensured]:
        """Creates or changes an API key as `KeyStore.ensure` does."""
        wanted = list(scopes)
        with self._recorded(of_tenant=tenant, scopes=_names(wanted)) as facts:
            key, outcome = super().ensure(text, tenant, wanted, update=update)
            facts |= {"key_id": key.key_id, "outcome": outcome}
        return key, outcome

    def revoke(self, key_id: KeyId) -> ApiKey:
        """Revokes an API key as `KeyStore.revoke` does."""
        with self._recorded(key_id=key_id):
            return super().revoke(key_id)

    def change(self, key_id: KeyId, wanted: ApiKey, names: Set[str]) -> ApiKey:
        """Changes an API key as `KeyStore.change` does."""
        with self._recorded(key_id=key_id, fields=sorted(names)):
            return super().change(key_id, wanted, names)

    def change_limits(self, tenant: TenantId, changes: Mapping[str, int | None]) -> TenantLimits:
        """Sets some limits of a tenant as `KeyStore.change_limits` does."""
        with self._recorded(of_tenant=tenant, **changes):
            return super().change_limits(tenant, changes)

    @contextmanager
    def _recorded(self, **facts: Fact) -> Iterator[dict[str, Fact]]:
        """Records an act with these facts before and after its body. The body may add facts."""
        facts |= {"user": _user(), "host": socket.gethostname()}
        act = Act(new_act_id(), now(), None, click.get_current_context().command_path, facts=facts)
        self._audit.record(act)
        try:
            yield facts
        except Exception as error:
            self._audit.record(replace(act, code=type(error).__name__, facts=facts))
            raise
        self._audit.record(replace(act, status=_OK, facts=facts))


def _names(scopes: Iterable[Scope]) -> list[str]:
    return sorted(scope.value for scope in scopes)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user has no name, as in a container
        return "unknown"
