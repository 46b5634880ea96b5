"""Which sizes a DiT worker announces, for the real model's dimensions and for the memory of usual cards."""

from types import SimpleNamespace

import pytest
import torch

from shared.schedule.sizes import ANY_SIZE
from workers.dit.memory_needs import sizes_that_fit

# The real transformer and VAE in bfloat16. A tiled decode takes 3.2 GB, one of 2048x2048 in one piece 12.9 GB.
_TRANSFORMER = SimpleNamespace(
    config=SimpleNamespace(num_attention_heads=32, attention_head_dim=128, num_layers=30, in_channels=16)
)
_VAE = SimpleNamespace(config=SimpleNamespace(block_out_channels=(128, 512, 1024, 1024)))


def a_model(*, has_tiles: bool) -> SimpleNamespace:
    return SimpleNamespace(
        transformer=_TRANSFORMER,
        vae=_VAE,
        dtype=torch.bfloat16,
        vae_scale_factor=8,
        tiles=lambda width, height: has_tiles and width * height > 1024**2,
    )


@pytest.mark.parametrize(
    ("room_gb", "has_tiles", "fitting", "not_fitting"),
    [
        (10.2, True, {"1536", "2048", "2048+1024"}, {"1024+2048", "2048+2048"}),
        (10.2, False, {"1536"}, {"2048"}),
        (3.0, True, set(), {"1536", "1024+2048"}),
        (66.0, False, {"2048", "2048+4096", "1024+3072"}, {"1024+5824", "2048+8192"}),
    ],
    ids=["24 GB with tiles", "24 GB", "no room", "80 GB"],
)
def test_a_card_announces_what_fits_beside_the_weights(
    room_gb: float, *, has_tiles: bool, fitting: set[str], not_fitting: set[str]
) -> None:
    found = sizes_that_fit(a_model(has_tiles=has_tiles), int(room_gb * 1e9)).names  # type: ignore[arg-type]
    assert found is not None
    assert fitting <= found
    assert not not_fitting & found


def test_a_cpu_announces_every_size() -> None:
    assert sizes_that_fit(a_model(has_tiles=False), None) == ANY_SIZE  # type: ignore[arg-type]
