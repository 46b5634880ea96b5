"""Decoding in tiles: which pictures, how much memory, and that the picture stays nearly the same."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderKL

from shared.settings.settings import Settings
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import render
from workers.device.placement import Placement
from workers.dit import byte_counts
from workers.dit.memory_needs import needs_of
from workers.dit.model import vae_tiles
from workers.dit.model.choosing import vae_tiles_of
from workers.dit.model.loading import DitModel
from workers.dit.model.runner import DitRunner
from workers.dit.model.vae_tiles import tile_limit_px

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
FULL_SIZE = SimpleNamespace(config=SimpleNamespace(block_out_channels=(128, 512, 1024, 1024)), dtype=torch.bfloat16)
SQUARES = {side: side * side for side in (1024, 2048)}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    def make(total_gb: float, weights_gb: float) -> None:
        properties = SimpleNamespace(total_memory=int(total_gb * 1e9))
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: int(weights_gb * 1e9))

    return make


@pytest.mark.parametrize(
    ("total_gb", "weights_gb", "are_tiled"),
    [(17.2, 7.0, [False, True]), (25.7, 14.9, [False, True]), (51.5, 14.9, [False, False])],
    ids=["16 GB with FP8", "24 GB", "48 GB"],
)
def test_a_card_cuts_the_pictures_that_it_cannot_hold(
    gpu: Callable[[float, float], None], total_gb: float, weights_gb: float, are_tiled: list[bool]
) -> None:
    """A decode of the full-size VAE in bfloat16 takes 3.2 GB at 1024x1024 and 12.9 GB at 2048x2048."""
    gpu(total_gb, weights_gb)
    limit = tile_limit_px("auto", FULL_SIZE, GPU)  # type: ignore[arg-type]
    assert [limit is not None and pixels > limit for pixels in SQUARES.values()] == are_tiled


def test_a_card_with_hardly_any_room_still_cuts_no_small_picture(gpu: Callable[[float, float], None]) -> None:
    gpu(16, 15.9)
    assert tile_limit_px("auto", FULL_SIZE, GPU) == 1024 * 1024  # type: ignore[arg-type]


def test_the_operators_choice_comes_first_and_a_cpu_cuts_nothing_by_itself() -> None:
    cpu = Placement(CPU, torch.float32)
    chosen = {given: vae_tiles_of(Settings(dit_vae_tiles=given), cpu) for given in ("auto", "never", "always")}  # type: ignore[arg-type]
    assert chosen == {"auto": "never", "never": "never", "always": "always"}
    limits = {choice: tile_limit_px(choice, FULL_SIZE, CPU) for choice in ("never", "always")}  # type: ignore[arg-type]
    assert limits == {"never": None, "always": 1024 * 1024}


def test_a_picture_in_tiles_needs_less_memory(dit_model: DitModel) -> None:
    claim = make_claim(width=2048, height=2048)
    whole, tiles = (needs_of(replace(dit_model, tile_above_px=limit), claim).working for limit in (None, 1024 * 1024))
    assert tiles < whole


def test_only_large_pictures_are_cut_and_they_stay_nearly_the_same(
    dit_model: DitModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_tiled = [0]
    decode = AutoencoderKL.tiled_decode

    def counted(*args: object, **kwargs: object) -> object:
        num_tiled[0] += 1
        return decode(*args, **kwargs)

    monkeypatch.setattr(AutoencoderKL, "tiled_decode", counted)
    monkeypatch.setattr(vae_tiles, "TILE_PX", 192)
    monkeypatch.setattr(byte_counts, "TILE_PX", 192)
    cutting = DitRunner(replace(dit_model, tile_above_px=256 * 256))
    small, large = make_claim(width=256, height=256), make_claim(width=256, height=320)
    assert render(cutting, small).tobytes() == render(DitRunner(dit_model), small).tobytes()
    assert num_tiled == [0]
    cut, whole = render(cutting, large), render(DitRunner(dit_model), large)
    assert num_tiled == [1]
    assert cut.size == whole.size
    assert not dit_model.vae.use_tiling, "the next small picture, and condition images, are not cut"
