"""What a model setting asks of the simulated engine."""

import pytest

from shared.errors import Misconfigured
from workers.model.simulated import Simulation, is_simulated


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("simulate", Simulation()),
        ("simulate:ar=20ms,dit=50ms", Simulation(0.02, 0.05)),
        ("simulate:dit=1.5s", Simulation(dit_s=1.5)),
        ("simulate:ar=0,dit=0", Simulation(0.0, 0.0)),
    ],
)
def test_durations_are_read_with_their_units(model: str, expected: Simulation) -> None:
    assert is_simulated(model)
    assert Simulation.parse(model) == expected


@pytest.mark.parametrize(
    "model", ["simulate:ar=20", "simulate:ar=", "simulate:vae=1s", "simulate:ar=-1s", "simulate:x"]
)
def test_what_cannot_be_simulated_is_refused_with_an_example(model: str) -> None:
    with pytest.raises(Misconfigured, match="ar=20ms,dit=50ms"):
        Simulation.parse(model)


@pytest.mark.parametrize("model", [None, "", "zai-org/GLM-Image", "/models/simulate", "simulated"])
def test_a_real_model_is_not_simulated(model: str | None) -> None:
    assert not is_simulated(model)
