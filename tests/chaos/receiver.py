"""Counts what the service says to the outside: every webhook id of every job."""

from collections import Counter
from collections.abc import Mapping

from cli.demo.receiver import Receiver


class CountingReceiver(Receiver):
    """A receiver that verifies each webhook and counts its id."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self.received: Counter[str] = Counter()

    def receive(self, body: bytes, headers: dict[str, str]) -> bool:
        is_ours = super().receive(body, headers)
        if is_ours:
            self.received[headers["webhook-id"]] += 1
        return is_ours

    def ids_of(self, job_id: str) -> Mapping[str, int]:
        """How often each webhook id of a job came."""
        end = job_id.removeprefix("job_")
        return {webhook_id: count for webhook_id, count in self.received.items() if end in webhook_id}
