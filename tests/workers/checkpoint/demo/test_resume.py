"""A training that goes on from the weights that ship, with the same visual tokens or with new ones."""

from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor

from shared.errors import Misconfigured
from workers.checkpoint.demo import ar, dit, vq
from workers.checkpoint.demo.parts import trained_parts
from workers.checkpoint.demo.resume import write_states
from workers.checkpoint.shipped import DEMO_WEIGHTS

LAYER = "transformer.transformer_blocks.0.ff.net.2.weight"


def state(folder: Path, name: str) -> dict[str, Tensor]:
    found = torch.load(folder / name, weights_only=True)
    weights: dict[str, Tensor] = found.get("model", found)
    return weights


def step_of(folder: Path, part: str) -> int:
    return int(torch.load(folder / f"{part}.pt", weights_only=True)["step"])


@pytest.mark.parametrize("has_new_eyes", [False, True])
def test_new_eyes_come_before_the_models_that_learn_from_them(tmp_path: Path, *, has_new_eyes: bool) -> None:
    write_states(DEMO_WEIGHTS, tmp_path, has_new_eyes=has_new_eyes)
    assert step_of(tmp_path, "vae") > 0 < step_of(tmp_path, "glyphs")
    assert (tmp_path / vq.FINAL).exists() == (not has_new_eyes)
    assert {(tmp_path / name).exists() for name in ("ar.pt", "dit.pt")} == {not has_new_eyes}
    assert {(tmp_path / name).exists() for name in (ar.EARLIER, dit.EARLIER)} == {has_new_eyes}
    with mock.patch.object(vq, "split_codes") as splits:
        vq.fit(tmp_path, most_minutes=1e-9)  # loads the state
        vq.fit(tmp_path)  # they are trained
    assert splits.call_count == has_new_eyes
    if has_new_eyes:
        assert step_of(tmp_path, "vq") == 1
        earlier = state(tmp_path, dit.EARLIER)
        assert LAYER in earlier
        assert not any("speller" in name for name in earlier)
        assert not any("vqmodel" in name for name in state(tmp_path, ar.EARLIER))
        assert not state(tmp_path, "vq.pt")["visual.embeddings.position_embedding.weight"].any()
    with pytest.raises(Misconfigured) if has_new_eyes else nullcontext():
        trained_parts(tmp_path)
