"""Jobs whose answer has not reached their client, by tenant and request: what its retries go on with. No HTTP."""

from dataclasses import dataclass

from shared.ids import HolderId, JobId, TenantId, new_holder_id
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts

# What a process that died may hold a job for. Longer than any intake (images are fetched within 15 s), and than a
# stream is quiet.
LEASE_S = 20.0

_KEPT_FOR_S = 3600.0  # OpenAI's client waits 600 s, three times


@dataclass(frozen=True, slots=True)
class Expected:
    """A job, awaited by one request."""

    scope: str
    job_id: JobId
    holder: HolderId


class Held:
    """There are jobs that wait for a retry, and others have all of them."""


class UndeliveredStore:
    """Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client, *, lease_s: float = LEASE_S) -> None:
        self._scripts = Scripts(client)
        self.lease_s = lease_s
        self._lease_ms, self._kept_for_ms = int(lease_s * 1000), int(_KEPT_FOR_S * 1000)

    def expect(self, tenant: TenantId, fingerprint: str, job_id: JobId) -> Expected:
        """Before the job is made. It is held until `release`, so that no retry looks for it too early."""
        expected = Expected(f"{tenant}:{fingerprint}", job_id, new_holder_id())
        times = (self._lease_ms, self._kept_for_ms)
        self._scripts.run("expect_delivery", expected.scope, job_id, expected.holder, *times)
        return expected

    def attach(self, tenant: TenantId, fingerprint: str) -> Expected | Held | None:
        """Takes hold of this request's oldest job whose response was not delivered and that no other retry holds.

        Returns `Held` if others hold all of them, None if there is none.
        """
        scope, holder = f"{tenant}:{fingerprint}", new_holder_id()
        kind, *job = self._scripts.run("attach_retry", scope, holder, self._lease_ms, self._kept_for_ms)
        if kind == "attached":
            return Expected(scope, JobId(job[0]), holder)
        return Held() if kind == "held" else None

    def hold(self, expected: Expected) -> None:
        """Holds the job for another lease."""
        self._end(expected, "hold")

    def release(self, expected: Expected) -> None:
        """Gives the job up, so that a retry may take it."""
        self._end(expected, "release")

    def delivered(self, expected: Expected) -> None:
        """Nobody awaits it any more: the answer arrived, or there will be none."""
        self._end(expected, "delivered")

    def _end(self, expected: Expected, how: str) -> None:
        self._scripts.run("end_delivery", expected.scope, expected.job_id, expected.holder, how, self._lease_ms)
