"""The messages from the DiT worker to the processes of the other devices, each one line of JSON. The first message says
what to load. Each later message describes one forward pass.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch

from workers.dit.model.options import DitOptions


@dataclass(frozen=True, slots=True)
class HelperPlan:
    """The first message to a helper process, with everything that decides how it computes.

    `rank` is the number of its device among `num_ranks` devices. `rendezvous` is the folder with the file through which
    the processes connect; only this user can read the folder.
    """

    model: str
    device: str
    dtype: str
    threads: int
    rendezvous: str
    rank: int
    num_ranks: int
    options: Mapping[str, Any]

    @property
    def torch_dtype(self) -> torch.dtype:
        dtype: torch.dtype = getattr(torch, self.dtype)
        return dtype

    @property
    def dit_options(self) -> DitOptions:
        return DitOptions(**self.options)

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Pass:
    """The message before a forward pass: the shapes of the tensors that follow.

    `conditions` is the id of the set of condition images that the pass reads, or None. If `new_keys` is not 0, the keys
    and values of this set follow, with so many tokens. `forget` has the ids of sets that are no longer needed.
    """

    rows: int
    num_image: int
    num_glyphs: int
    size: tuple[int, int]
    in_fp8: bool
    conditions: int | None = None
    new_keys: int = 0
    forget: Sequence[int] = ()

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        fields = json.loads(line)
        return cls(**{**fields, "size": tuple(fields["size"])})


def to_line(message: HelperPlan | Pass) -> bytes:
    """Returns the message as one line of JSON."""
    return json.dumps(asdict(message)).encode() + b"\n"
