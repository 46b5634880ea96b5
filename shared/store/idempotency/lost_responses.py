"""Stores jobs whose response has not reached the client. If the client retries the request, it gets the same job."""

from dataclasses import dataclass, replace

from shared.ids import HolderId, JobId, TenantId, new_holder_id
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts

# The longest time for which a process that died holds a job. It is longer than any intake, which fetches images within
# 15 s, and than the pauses of an event stream.
LEASE_S = 20.0

_KEPT_FOR_S = 3600.0  # OpenAI's client waits 600 s for a response and tries three times


@dataclass(frozen=True, slots=True)
class Expected:
    """The lease of an HTTP request on a job. The request is to deliver the response about this job to the client.

    `holder` is the random id of the request's lease. `scope` is the tenant and the fingerprint of the request. A retry
    of the request has the same fingerprint.
    """

    scope: str
    job_id: JobId
    holder: HolderId


@dataclass(frozen=True, slots=True)
class Held:
    """The result of `attach` if jobs wait for a retry of this request, but all of them are leased to other requests.

    `age_s` is the time since the oldest of these requests began.
    """

    age_s: float


class UndeliveredStore:
    """Stores jobs whose response has not reached the client, so that a retry of the request gets the same job.

    Every method raises `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client, *, lease_s: float = LEASE_S) -> None:
        self._scripts = Scripts(client)
        self.lease_s = lease_s
        self._lease_ms, self._kept_for_ms = int(lease_s * 1000), int(_KEPT_FOR_S * 1000)

    def expect(self, tenant: TenantId, fingerprint: str, job_id: JobId) -> Expected:
        """Records that an HTTP request is going to deliver the response about a job. Call this before the job is
        created. Returns the request's lease on the job.

        While the request has the lease, no retry of the request gets the job. The lease ends with `release`, or if
        `hold` does not extend it in time.
        """
        expected = Expected(f"{tenant}:{fingerprint}", job_id, new_holder_id())
        times = (self._lease_ms, self._kept_for_ms)
        self._scripts.run("expect_delivery", expected.scope, job_id, expected.holder, *times)
        return expected

    def attach(self, tenant: TenantId, fingerprint: str, *, is_marked: bool = False) -> Expected | Held | None:
        """Finds the job of an earlier, identical request whose response was not delivered, and leases the job to this
        request. Returns the lease.

        If there are several jobs of this kind, takes the oldest one that is not leased to another request. If all of
        them are leased and `is_marked` says that the request is marked as a retry, takes the oldest one with an open
        lease. Otherwise returns `Held`. Returns None if there is no such job.
        """
        scope, holder = f"{tenant}:{fingerprint}", new_holder_id()
        kind, *job = self._scripts.run("attach_retry", scope, holder, self._lease_ms, self._kept_for_ms, int(is_marked))
        if kind == "attached":
            return Expected(scope, JobId(job[0]), holder)
        return Held(int(job[0]) / 1000) if kind == "held" else None

    def open(self, expected: Expected) -> Expected:
        """Replaces the lease of a request that has created its job by an open lease, and returns the open lease.

        A request that is marked as a retry may take an open lease: the connection of the first request may be lost
        without notice.
        """
        self._end(expected, "open")
        return replace(expected, holder=HolderId(f"open-{expected.holder}"))

    def hold(self, expected: Expected) -> None:
        """Extends the lease of an HTTP request on a job. The full length of the lease counts from now."""
        self._end(expected, "hold")

    def release(self, expected: Expected) -> None:
        """Ends the lease of an HTTP request on a job. From then on a retry of the request may get the job."""
        self._end(expected, "release")

    def delivered(self, expected: Expected) -> None:
        """Removes a job from the list of jobs whose response is to be delivered. Call this when the response has
        arrived, or when there will be no response.
        """
        self._end(expected, "delivered")

    def _end(self, expected: Expected, how: str) -> None:
        self._scripts.run("end_delivery", expected.scope, expected.job_id, expected.holder, how, self._lease_ms)
