"""Parking of weights, on a CPU: what a module computes is the same before, while it comes back, and after."""

import torch
from torch import nn

from workers.device.parked_weights import NoParking, ParkedWeights, parking_for


def test_weights_come_back_as_they_were() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).eval()
    rows = torch.randn(2, 4)
    expected = module(rows)
    kept = module[0].weight
    parking = ParkedWeights([module], torch.device("cpu"))
    for _ in range(2):
        parking.unpark()
        assert torch.equal(module(rows), expected)
        parking.park()
    assert module[0].weight is kept


def test_a_weight_that_two_modules_share_is_parked_once() -> None:
    one, other = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    other.weight = one.weight
    assert ParkedWeights([one, other], torch.device("cpu")).num_bytes == 4 * 4 * 4


def test_a_cpu_has_nothing_to_park() -> None:
    assert isinstance(parking_for([nn.Linear(1, 1)], torch.device("cpu")), NoParking)
