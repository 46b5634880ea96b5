"""Counts what the service says to the outside: every webhook id of every job."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from cli.demo.receiver import Receiver


class CountingReceiver(Receiver):
    """A receiver that verifies each webhook and counts its id."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self.received: Counter[str] = Counter()
        self._first_at_s: dict[str, float] = {}

    def receive(self, body: bytes, headers: dict[str, str]) -> bool:
        is_ours = super().receive(body, headers)
        if is_ours:
            self.received[headers["webhook-id"]] += 1
            self._first_at_s.setdefault(json.loads(body)["data"]["id"], time.monotonic())
        return is_ours

    def between(self, from_s: float, to_s: float) -> Sequence[str]:
        """Jobs whose first webhook came then, by this process's monotonic clock."""
        return [job_id for job_id, at_s in list(self._first_at_s.items()) if from_s <= at_s < to_s]

    @property
    def port(self) -> int:
        return self._server.server_port

    def ids_of(self, job_id: str) -> Mapping[str, int]:
        """How often each webhook id of a job came."""
        end = job_id.removeprefix("job_")
        return {webhook_id: count for webhook_id, count in self.received.items() if end in webhook_id}
