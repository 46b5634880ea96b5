"""Entries of the codebook that parts of several shapes choose are split, with the entries that nothing chooses."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from workers.checkpoint.demo import codebook
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.eyes import Eyes


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    torch.manual_seed(0)
    eyes = Eyes(ar_model.build()).eval()
    with torch.no_grad():
        eyes.vqmodel.quantize.embedding.weight[1:] = -1  # so the first entry is everybody's nearest, or nearly
    return eyes


def around(centre: Tensor, num: int) -> Tensor:
    return F.normalize(centre + 0.01 * torch.randn(num, len(centre)), dim=1)


def share_of_others(features: Tensor, kinds: Tensor, book: Tensor) -> float:
    """The share of patches whose codebook entry has more patches of another kind."""
    nearest = (features @ book.T).argmax(1)
    most = sum(int(kinds[nearest == code].bincount().max()) for code in nearest.unique().tolist())
    return 1 - most / len(kinds)


def test_patches_of_other_kinds_get_entries_of_their_own() -> None:
    torch.manual_seed(0)
    circle, square, far = (F.normalize(torch.tensor(one), dim=0) for one in ([1.0, 0.2], [1.0, 0.0], [-1.0, 0.0]))
    features = torch.cat((around(circle, 9), around(square, 5)))
    kinds = torch.tensor([1] * 9 + [2] * 5)
    book = torch.stack((circle, far))
    assert share_of_others(features, kinds, book) == pytest.approx(5 / 14)
    [new] = codebook._minorities(features, kinds, book, most=7)
    assert float(new @ square) > 0.999
    assert share_of_others(features, kinds, torch.stack((circle, new))) == 0
    assert not codebook._minorities(features, kinds, torch.stack((circle, new)), most=7)
    same = circle.expand(5, -1)
    assert not codebook._minorities(same, torch.tensor([1, 1, 1, 2, 2]), book, most=7)


def test_entries_in_use_stay_and_no_more_are_taken_than_are_free(eyes: Eyes) -> None:
    book = eyes.vqmodel.quantize.embedding.weight
    before = book.detach().clone()
    num = codebook.split_codes(eyes, num_batches=1)
    is_changed = (book != before).any(dim=1)
    assert 0 < num < len(book)
    assert int(is_changed.sum()) == num
    assert not is_changed[0]


def test_a_second_split_finds_less_to_do(eyes: Eyes) -> None:
    codebook.split_codes(eyes, num_batches=1)
    assert codebook.split_codes(eyes, num_batches=1) == 0
