"""One silence after the other under a steady load: whether work goes on as before within ten seconds of its end."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from shared.jobs.states import Stage
from shared.store.core.connect import Client
from tests.chaos.batch_probe import BatchProbe
from tests.chaos.free_slots import pid_of, runs
from tests.chaos.ledger import Ledger
from tests.chaos.receiver import CountingReceiver
from tests.chaos.schedule import Fault
from tests.chaos.service import Service

GOAL_S = 10.0  # from the heal: by then everybody has claimed again, and work ends as quickly as before
_WINDOW_S = 5.0  # of the throughput: the second half of those ten seconds
_WARM_S = 5.0
_SHARE = 0.75  # of the throughput before; one deaf DiT worker of three leaves 0.67 of it
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Healed:
    """What followed a silence. `share`: pictures a second in its last five seconds of ten, of those before it.

    `deaf`: live workers of a stage that held no render in those five seconds. `batch_s`: until a batch worker took up a
    new batch; None: untried.
    """

    fault: Fault
    share: float
    deaf: tuple[str, ...]
    batch_s: float | None

    @property
    def is_good(self) -> bool:
        return self.share >= _SHARE and not self.deaf and (self.batch_s is None or self.batch_s <= GOAL_S)

    def row(self) -> str:
        """Of the table of the report."""
        batch = "" if self.batch_s is None else f", a batch taken up in {self.batch_s:.1f} s"
        deaf = ", ".join(self.deaf) or "nobody"
        return f"| {self.fault.role} | {self.fault.way} | {self.fault.lasts_s:.0f} | {self.share:.2f}{batch} | {deaf} |"


TABLE_HEAD = (
    "| silent | packets dropped | seconds | throughput 5 to 10 s after, of that before | deaf |",
    "|---|---|---|---|---|",
)


class Healing:
    """Reads the store itself; the load comes from elsewhere and never ends while a round runs."""

    def __init__(self, service: Service, client: Client, receiver: CountingReceiver, ledger: Ledger) -> None:
        self._service, self._client = service, client
        self._receiver, self._ledger = receiver, ledger
        self._batches = BatchProbe(service.url)

    def rounds(self, silences: Sequence[Fault], say: Callable[[str], None]) -> tuple[Healed, ...]:
        """The throughput before is measured once: what one silence spoils is no measure for the next."""
        if not silences:
            return ()
        self._rest(_WARM_S)
        before = self._rate_over(2 * _WINDOW_S)
        found = []
        with closing(self._batches):
            for fault in silences:
                found.append(self._round(fault, before))
                say(found[-1].row())
        return tuple(found)

    def _round(self, fault: Fault, before: float) -> Healed:
        heal = self._service.network.silence(fault.role, fault.way)
        self._rest(fault.lasts_s)
        heal()
        healed_at_s = time.monotonic()
        batch = self._batches.submit() if fault.role == "batch-0" else None
        batch_s = self._batches.seconds(batch, GOAL_S) if batch else None
        self._rest(healed_at_s + GOAL_S - _WINDOW_S - time.monotonic())
        began_s = time.monotonic()
        claimed = self._claimed_until(began_s + _WINDOW_S)
        share = self._rate(began_s, time.monotonic()) / before
        return Healed(fault, share, tuple(sorted(self._live() - claimed)), batch_s)

    def _rest(self, seconds: float) -> None:
        """The far worker is looked after meanwhile, as in the rest of the run."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._service.tend()
            time.sleep(_POLL_S)

    def _rate_over(self, seconds: float) -> float:
        began_s = time.monotonic()
        self._rest(seconds)
        rate = self._rate(began_s, time.monotonic())
        assert rate > 0, "nothing was rendered before the first silence"
        return rate

    def _rate(self, from_s: float, to_s: float) -> float:
        """Pictures a second, by the webhooks of their jobs: the whole way."""
        asked = dict(self._ledger.accepted())
        ended = [asked[job_id].n for job_id in self._receiver.between(from_s, to_s) if job_id in asked]
        return sum(ended) / (to_s - from_s)

    def _claimed_until(self, end_s: float) -> set[str]:
        """Workers that held a render at any look."""
        claimed: set[str] = set()
        while time.monotonic() < end_s:
            claimed |= {worker for worker in self._live() - claimed if self._client.scard(f"gridpress:held:{worker}")}
            self._rest(_POLL_S)
        return claimed

    def _live(self) -> set[str]:
        """Announced, and there: what ended meanwhile has been replaced under another id."""
        seconds, _ = self._client.time()
        workers = [
            worker
            for stage in Stage
            for worker in self._client.zrangebyscore(f"gridpress:workers:{stage}", 1000 * int(seconds), math.inf)
        ]
        return {worker for worker in workers if runs(pid_of(worker))}
