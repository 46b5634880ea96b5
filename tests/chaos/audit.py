"""What must hold at the end, job by job: nothing lost, nothing twice, nothing left over."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.errors import GridpressError
from shared.ids import DEFAULT_TENANT, JobId
from shared.jobs.job import Job, Picture
from shared.jobs.states import JobStatus
from shared.jobs.usage import Amounts
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.usage.usage import UsageStore
from tests.chaos.ledger import CLIENT_ID, Request
from tests.chaos.receiver import CountingReceiver

IsRight = Callable[[Request, int, bytes], bool]  # request, index of the picture, its bytes
_POLL_S = 0.2
_PAGE = 200
LEFTOVERS = ("gridpress:leases", "gridpress:deadlines", "gridpress:celery:dit", "gridpress:celery:ar")
LEFTOVER_PATTERNS = ("gridpress:waiting:*", "gridpress:quarantine:*", "gridpress:held:*")
# What a killed delivery process had under way is due again when its lease ends, so it needs longer than a render.
DELIVERY_LEFTOVERS = ("gridpress:manifests",)
DELIVERY_PATTERNS = ("gridpress:due:*", "gridpress:flying:*")
UNACKNOWLEDGED = "gridpress:celery:unacked*"  # kombu's keys, for consumers that acknowledge
_DELIVERY_LIMIT_S = 90.0  # two leases of 30 s: the first process may be killed, and the second


@dataclass(slots=True)
class Findings:
    """What is wrong, one line each. A good run has none."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    num_pictures: int = 0
    num_submitted_twice: int = 0

    @property
    def all(self) -> list[str]:
        return [*self.lost, *self.duplicated, *self.wrong, *self.left_over]


class Audit:
    """Reads the stores themselves, never the service's own opinion of them."""

    def __init__(
        self,
        client: Client,
        objects: ObjectStore,
        receiver: CountingReceiver,
        is_right: IsRight,
        *,
        counts_usage: bool = True,
    ) -> None:
        """`counts_usage`: whether all pictures count in the usage. Releases before the usage counted none."""
        self._client = client
        self._jobs = JobStore(client)
        self._objects = objects
        self._receiver = receiver
        self._is_right = is_right
        self._counts_usage = counts_usage

    def settle(self, limit_s: float) -> list[str]:
        """Waits until nothing is under way any more; answers what still is when the time is over.

        Renders have `limit_s`; webhooks and manifests have a bound of their own after that, by their leases.
        """
        waiting = self._wait_while(self._under_way, limit_s)
        return waiting or self._wait_while(self._undelivered, _DELIVERY_LIMIT_S)

    def _wait_while(self, find: Callable[[], Iterator[str]], limit_s: float) -> list[str]:
        deadline_s = time.monotonic() + limit_s
        while (waiting := list(find())) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
        return waiting

    def findings(self, accepted: Sequence[tuple[str, Request]], left_over: list[str]) -> Findings:
        """Looks at every accepted job and at every job that is there."""
        found = Findings(left_over=left_over + list(self._acknowledgements()))
        jobs = {job.job_id: job for job in self._all_jobs()}
        client_ids = Counter(job.spec.metadata.get(CLIENT_ID) for job in jobs.values())
        found.num_submitted_twice = sum(count - 1 for count in client_ids.values())
        for job_id, asked in accepted:
            job = jobs.get(JobId(job_id))
            if job is None:
                found.lost.append(f"{job_id}: gone")
            else:
                self._look_at(job, asked, found)
        self._look_at_usage(list(jobs.values()), found)
        return found

    def _look_at_usage(self, jobs: Sequence[Job], found: Findings) -> None:
        """Compares the usage with all pictures: each counts once, whatever ended while it was stored."""
        pictures = [render.picture for job in jobs for render in job.renders if render.picture]
        there = (len(pictures), sum(picture.num_bytes for picture in pictures))
        today = datetime.now(UTC).date()
        rows = UsageStore(self._client).rows(DEFAULT_TENANT, today - timedelta(days=1), today)
        used = sum((row.amounts for row in rows), Amounts())
        counted = (used.pictures, used.stored_bytes)
        if (counted != there) if self._counts_usage else (counted > there):
            found.wrong.append(f"usage counts {used.pictures} pictures, {used.stored_bytes} bytes: there are {there}")

    def _look_at(self, job: Job, asked: Request, found: Findings) -> None:
        ends = {JobStatus.SUCCEEDED, JobStatus.CANCELLED} if asked.is_cancelled else {JobStatus.SUCCEEDED}
        if job.status not in ends:
            errors = [render.error for render in job.renders if render.error]
            found.lost.append(f"{job.job_id}: {job.status} {errors}")
            return
        for render in job.renders:
            if render.picture:
                found.num_pictures += 1
                self._look_at_picture(job, render.index, render.picture, asked, found)
        self._look_at_events(job, found)

    def _look_at_picture(self, job: Job, index: int, picture: Picture, asked: Request, found: Findings) -> None:
        name = f"{job.job_id} picture {index}"
        try:
            data = self._objects.get(picture.key)
        except GridpressError as error:
            found.lost.append(f"{name}: {error}")
            return
        if hashlib.sha256(data).hexdigest() != picture.sha256:
            found.wrong.append(f"{name}: its checksum is another one")
        elif not self._is_right(asked, index, data):
            found.wrong.append(f"{name}: another picture than was asked for")

    def _look_at_events(self, job: Job, found: Findings) -> None:
        events = self._jobs.events(job.job_id, after="0")
        ends = [event.type for event in events if event.type == f"job.{job.status}"]
        stored = Counter(event.data["index"] for event in events if event.data.get("state") == "succeeded")
        if len(ends) > 1 or any(count > 1 for count in stored.values()):
            found.duplicated.append(f"{job.job_id}: events {ends}, pictures committed {dict(stored)}")
        if not ends:
            found.lost.append(f"{job.job_id}: no event of its end")
        webhooks = self._receiver.ids_of(job.job_id)
        if not webhooks:
            found.lost.append(f"{job.job_id}: no webhook")
        if len(webhooks) > 1:
            found.duplicated.append(f"{job.job_id}: webhooks {dict(webhooks)}")

    def _under_way(self) -> Iterator[str]:
        """Jobs before keys: a render that is claimed between two reads of keys is in none of them."""
        unfinished = [f"{job.job_id} is {job.status}" for job in self._all_jobs() if not job.status.is_final]
        if unfinished:
            yield from unfinished
            return
        yield from self._held_by(LEFTOVERS, LEFTOVER_PATTERNS)
        for key in self._client.scan_iter("gridpress:load:*", count=1000):
            if any(int(count) for count in self._client.hgetall(key).values()):
                yield f"{key} counts what has ended"

    def _undelivered(self) -> Iterator[str]:
        """Due or leased: a webhook that a delivery process had claimed when it was killed is in no other list."""
        yield from self._held_by(DELIVERY_LEFTOVERS, DELIVERY_PATTERNS)

    def _held_by(self, names: Sequence[str], patterns: Sequence[str]) -> Iterator[str]:
        found = [key for pattern in patterns for key in self._client.scan_iter(pattern, count=1000)]
        for key in [*names, *found]:
            if size := self._size(key):
                yield f"{key} holds {size}"

    def _size(self, key: str) -> int:
        sizes: Mapping[str, Callable[[str], object]] = {
            "list": self._client.llen,
            "zset": self._client.zcard,
            "set": self._client.scard,
        }
        kind = str(self._client.type(key))
        return int(str(sizes[kind](key))) if kind in sizes else 0

    def _acknowledgements(self) -> Iterator[str]:
        """Reports hints that wait to be acknowledged. None should: a hint counts as done once it is read, and open
        ones use up the number that a consumer may ask for.
        """
        for key in self._client.scan_iter(UNACKNOWLEDGED, count=1000):
            yield f"hints wait to be acknowledged in {key}"

    def _all_jobs(self) -> Iterator[Job]:
        after: JobId | None = None
        while page := self._jobs.jobs(DEFAULT_TENANT, limit=_PAGE, after=after):
            yield from page
            after = page[-1].job_id
