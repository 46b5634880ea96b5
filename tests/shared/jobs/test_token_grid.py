import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.geometry import CODEBOOK_SIZE, GridSize
from shared.jobs.token_grid import Prior, TokenGrid

codes = st.integers(0, CODEBOOK_SIZE - 1)
sizes = st.builds(GridSize, st.integers(1, 12), st.integers(1, 12))


@st.composite
def grids(draw: st.DrawFn) -> TokenGrid:
    size = draw(sizes)
    return TokenGrid(size, tuple(draw(st.lists(codes, min_size=size.num_tokens, max_size=size.num_tokens))))


priors = st.builds(Prior, grids(), st.lists(grids(), max_size=3).map(tuple))


@given(priors)
def test_a_prior_survives_its_bytes(prior: Prior) -> None:
    assert Prior.from_bytes(prior.to_bytes()) == prior


@given(priors, st.data())
def test_no_truncated_prior_is_read(prior: Prior, data: st.DataObject) -> None:
    whole = prior.to_bytes()
    with pytest.raises(ValueError, match=r"truncated|not a token grid"):
        Prior.from_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(priors, st.binary(min_size=1, max_size=9))
def test_nothing_may_follow_a_prior(prior: Prior, rest: bytes) -> None:
    with pytest.raises(ValueError, match=f"{len(rest)} bytes after"):
        Prior.from_bytes(prior.to_bytes() + rest)


@given(st.binary(max_size=64))
def test_foreign_bytes_are_refused_or_read_as_what_they_are(data: bytes) -> None:
    for candidate in (data, b"GPG1" + data):
        try:
            prior = Prior.from_bytes(candidate)
        except ValueError:
            continue
        assert prior.to_bytes() == candidate


@given(sizes, st.integers(0, 200))
def test_a_grid_has_as_many_tokens_as_places(size: GridSize, count: int) -> None:
    tokens = (0,) * count
    if count == size.num_tokens:
        assert TokenGrid(size, tokens).tokens == tokens
    else:
        with pytest.raises(ValueError, match=f"{count} tokens cannot fill {size.rows}x{size.cols}"):
            TokenGrid(size, tokens)


@pytest.mark.parametrize("code", [-1, CODEBOOK_SIZE, 2**16])
def test_a_code_outside_the_codebook_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match="tokens must lie in"):
        TokenGrid(GridSize(1, 2), (0, code))


def test_a_square_megapixel_fits_into_two_kilobytes_and_a_header() -> None:
    prior = Prior(TokenGrid(GridSize(32, 32), (CODEBOOK_SIZE - 1,) * 1024))
    assert len(prior.to_bytes()) == 2 * 1024 + len(b"GPG1") + 2 + 4
