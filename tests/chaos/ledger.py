"""What the service has accepted: the only claims that it is held to."""

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.jobs.spec import RenderSettings

_SIDES = (256, 288, 320)
CLIENT_ID = "client_id"  # in the job's metadata


@dataclass(frozen=True, slots=True)
class Request:
    """One job as a client asks for it. `is_cancelled`: the client changes its mind right after."""

    client_id: str
    prompt: str
    width_px: int
    height_px: int
    seed: int
    n: int
    is_cancelled: bool

    def body(self, webhook_url: str) -> Mapping[str, Any]:
        """Without metadata in the file, so that its bytes depend on its pixels alone."""
        return {
            "prompt": self.prompt,
            "size": f"{self.width_px}x{self.height_px}",
            "seed": self.seed,
            "n": self.n,
            "num_inference_steps": 2,
            "embed_metadata": False,
            "metadata": {CLIENT_ID: self.client_id},
            "webhook_url": webhook_url,
        }

    @property
    def settings(self) -> RenderSettings:
        """What its renders are made from."""
        return RenderSettings(
            prompt=self.prompt,
            width_px=self.width_px,
            height_px=self.height_px,
            num_inference_steps=2,
            embed_metadata=False,
        )


def request(run_seed: int, number: int, *, cancels: bool = True, num_distinct: int | None = None) -> Request:
    """Returns request `number` of a run: a function of its arguments.

    With `num_distinct`, the requests after the first `num_distinct` ask for the same pictures again, in the same order.
    """
    drawn = number % num_distinct if num_distinct else number
    rng = random.Random(f"{run_seed}:{drawn}")
    return Request(
        client_id=f"client-{run_seed}-{number}",
        prompt=f"picture {drawn}",
        width_px=rng.choice(_SIDES),
        height_px=rng.choice(_SIDES),
        seed=rng.randrange(2**53),
        n=rng.choice((1, 1, 2, 3)),
        is_cancelled=cancels and rng.random() < 0.05,
    )


class Ledger:
    """Accepted jobs by id. Written by the submitter, read at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted: dict[str, Request] = {}

    def accept(self, job_id: str, asked: Request) -> None:
        with self._lock:
            self._accepted[job_id] = asked

    def accepted(self) -> Sequence[tuple[str, Request]]:
        with self._lock:
            return list(self._accepted.items())
