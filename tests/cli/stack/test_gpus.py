"""Which GPU each worker gets from `gridpress up --gpus`, without any GPU."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.stack.gpus import choice
from cli.stack.gpus.assignment import DITS_PER_AR, Gpu, Seat, assign, describe
from cli.stack.gpus.choice import workers_on_gpus
from cli.stack.gpus.listing import list_gpus, visible_name
from cli.stack.gpus.needs import FP8_COPY, KV_LEAST, KV_MOST, Needs
from cli.stack.roles import WorkerCounts, tiers
from shared.errors import Misconfigured
from shared.settings.settings import Settings
from workers.dit.model.choosing import FP8_COPY_CARD_BYTES, FP8_COPY_PART_BYTES

GIB = 2**30
NEEDS = Needs()
REAL = "zai-org/GLM-Image"


def cards(*sizes_gib: float) -> list[Gpu]:
    return [Gpu(index, "a card", int(size * GIB)) for index, size in enumerate(sizes_gib)]


def where(seats: Sequence[Seat]) -> dict[str, int]:
    return {seat.worker: seat.gpu.index for seat in seats}


def test_every_card_of_80_gb_gets_a_dit_worker_and_ar_stands_beside_one_of_them() -> None:
    seats = assign(cards(*8 * [80]), NEEDS, num_ar=None, num_dit=None)
    assert sorted(where(seats).values()) == [0, *range(8)]
    assert not any(seat.takes_turns for seat in seats)
    assert seats[0].kv_bytes == KV_MOST


def test_one_card_of_80_gb_has_room_for_both_stages() -> None:
    assert where(assign(cards(80), NEEDS, num_ar=None, num_dit=None)) == {"ar-0": 0, "dit-0": 0}


def test_ar_gets_less_kv_memory_beside_a_dit_worker_on_a_card_of_48_gb() -> None:
    ar, _ = assign(cards(44.5), NEEDS, num_ar=None, num_dit=None)  # what an L40S reports
    assert ar.kv_bytes
    assert KV_LEAST <= ar.kv_bytes < KV_MOST


@pytest.mark.parametrize(("size_gib", "num_dit"), [(80, 2), (80, 3), (140, 4), (48, 2)])
def test_dit_workers_on_one_card_divide_its_memory(size_gib: float, num_dit: int) -> None:
    seats = assign(cards(size_gib), NEEDS, num_ar=0, num_dit=num_dit)
    parts = {seat.dit_bytes for seat in seats}
    assert len(parts) == 1
    part = parts.pop()
    assert part is not None
    assert NEEDS.dit <= part <= size_gib * GIB / num_dit


def test_dit_workers_leave_ar_beside_them_its_memory() -> None:
    ar, *dits = assign(cards(80), NEEDS, num_ar=1, num_dit=2)
    assert ar.kv_bytes
    parts = [seat.dit_bytes or 0 for seat in dits]
    assert min(parts) >= NEEDS.dit
    assert sum(parts) + NEEDS.ar - KV_LEAST + ar.kv_bytes <= 80 * GIB


@pytest.mark.parametrize(
    ("size_gib", "num_ar", "num_dit"),
    [(66, 1, 1), (80, 1, 1), (80, 2, 1), (80, 0, 2), (80, 1, 2), (80, 0, 3), (140, 2, 3)],
)
def test_workers_of_one_card_have_room_for_their_copies_in_fp8(size_gib: float, num_ar: int, num_dit: int) -> None:
    seats = assign(cards(size_gib), NEEDS, num_ar=num_ar, num_dit=num_dit)
    used = 0
    for seat in seats:
        if seat.worker.startswith("ar-"):
            used += NEEDS.ar - KV_LEAST + (seat.kv_bytes or KV_LEAST)
        else:
            has_copy = seat.gpu.num_bytes >= FP8_COPY_CARD_BYTES and (seat.dit_bytes or math.inf) >= FP8_COPY_PART_BYTES
            used += NEEDS.dit + FP8_COPY * has_copy
    assert used <= size_gib * GIB


def test_the_least_part_with_a_copy_in_fp8_holds_what_the_worker_needs_beside_it() -> None:
    assert NEEDS.dit + FP8_COPY <= FP8_COPY_PART_BYTES


@pytest.mark.parametrize("size_gib", [44.5, 66, 80, 140])
def test_a_dit_worker_does_not_count_on_the_memory_that_ar_beside_it_takes_later(size_gib: float) -> None:
    ar, dit = assign(cards(size_gib), NEEDS, num_ar=1, num_dit=1)
    assert dit.dit_bytes is not None
    assert ar.kv_bytes is not None
    assert NEEDS.dit <= dit.dit_bytes <= size_gib * GIB - (NEEDS.ar - KV_LEAST + ar.kv_bytes)


def test_a_dit_worker_that_has_a_card_alone_measures_its_memory_itself() -> None:
    parts = {seat.worker: seat.dit_bytes for seat in assign(cards(80, 24), NEEDS, num_ar=None, num_dit=None)}
    assert parts["dit-1"] is None


@pytest.mark.parametrize("num_cards", [1, 2, 4])
def test_on_cards_of_24_gb_the_stages_take_turns_instead_of_spending_a_card_on_ar(num_cards: int) -> None:
    seats = assign(cards(*num_cards * [24]), NEEDS, num_ar=None, num_dit=None)
    assert Counter(where(seats).values()) == {0: 2, **dict.fromkeys(range(1, num_cards), 1)}
    assert {seat.worker for seat in seats if seat.takes_turns} == {"ar-0", "dit-0"}


IN_FP8 = Settings(ar_fp8=True, dit_fp8="all")


@pytest.mark.parametrize("size_gib", [30, 32, 48])
def test_both_stages_in_fp8_stand_beside_each_other_on_a_card_of_32_gb(size_gib: float) -> None:
    """Without FP8 they take turns on a card of 32 GB. FP8 makes other pictures, so only the settings choose it."""
    needs = Needs.of(IN_FP8)
    ar, dit = assign(cards(size_gib), needs, num_ar=None, num_dit=None, may_take_turns=False)
    assert not ar.takes_turns
    assert dit.has_company
    assert ar.kv_bytes
    assert needs.ar - KV_LEAST + ar.kv_bytes + needs.dit <= size_gib * GIB
    assert assign(cards(size_gib), NEEDS, num_ar=None, num_dit=None)[0].takes_turns == (size_gib <= 32)


@pytest.mark.parametrize(("size_gib", "missing"), [(22.5, "5.3 GB"), (24, "3.7 GB")])
def test_both_stages_in_fp8_miss_some_memory_on_a_card_of_24_gb(
    size_gib: float, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = IN_FP8.model_copy(update={"model": REAL})
    with pytest.raises(Misconfigured, match=rf"AR worker of 15\.2 GB.*: {missing} are missing"):
        workers_on_gpus("all", settings, None, None, lambda: cards(size_gib))


def test_ar_in_fp8_takes_turns_with_a_dit_of_the_checkpoints_weights() -> None:
    settings = Settings(model=REAL, ar_fp8=True)
    environment = workers_on_gpus("all", settings, None, None, lambda: cards(24)).environment
    assert all(env["GRIDPRESS_SHARE_DEVICE"] == "true" for env in environment.values())


def test_an_ar_worker_in_fp8_has_room_on_a_card_of_16_gb() -> None:
    needs = Needs.of(Settings(ar_fp8=True))
    seats = assign(cards(15.6, 24), needs, num_ar=1, num_dit=1, may_take_turns=False)
    assert where(seats) == {"ar-0": 0, "dit-0": 1}


def test_ar_gets_a_small_card_alone_only_where_the_others_keep_it_busy() -> None:
    seats = assign(cards(*(DITS_PER_AR + 2) * [24]), NEEDS, num_ar=1, num_dit=None)
    shared = Counter(where(seats).values())
    assert shared[where(seats)["ar-0"]] == 1
    assert len(seats) == DITS_PER_AR + 2


def test_workers_that_cannot_take_turns_get_a_card_each() -> None:
    seats = assign(cards(24, 24), NEEDS, num_ar=None, num_dit=None, may_take_turns=False)
    assert sorted(where(seats)) == ["ar-0", "dit-0"]
    assert len(set(where(seats).values())) == 2


def test_a_card_that_nothing_else_wants_is_for_ar() -> None:
    seats = assign(cards(80, 80), NEEDS, num_ar=1, num_dit=1)
    assert len(set(where(seats).values())) == 2
    assert all(seat.kv_bytes is None for seat in seats), "an AR worker alone decides by itself"


def test_a_small_card_beside_a_large_one_gets_what_fits() -> None:
    seats = assign(cards(16, 80), NEEDS, num_ar=None, num_dit=None)
    assert where(seats) == {"ar-0": 1, "dit-0": 1}
    assert "no worker" in next(iter(describe(cards(16, 80), seats)))


def test_thirty_dit_workers_need_a_second_ar_worker_only_beyond() -> None:
    for num_cards, num_ar in ((DITS_PER_AR, 1), (DITS_PER_AR + 1, 2)):
        seats = assign(cards(*num_cards * [80]), NEEDS, num_ar=None, num_dit=None)
        assert sum(seat.worker.startswith("ar") for seat in seats) == num_ar


@pytest.mark.parametrize(
    ("sizes", "num_ar", "num_dit"), [([16], None, None), ([24, 24], 1, 3), ([16], 1, 0), ([80], 3, 1), ([24], 2, None)]
)
def test_what_does_not_fit_is_refused_with_sizes(sizes: list[float], num_ar: int | None, num_dit: int | None) -> None:
    with pytest.raises(Misconfigured, match="GB"):
        assign(cards(*sizes), NEEDS, num_ar=num_ar, num_dit=num_dit)


@settings(deadline=None)
@given(
    sizes=st.lists(st.sampled_from([16, 24, 40, 48, 80, 141]), min_size=1, max_size=40),
    num_ar=st.none() | st.integers(0, 3),
    num_dit=st.none() | st.integers(0, 40),
)
def test_no_card_is_overbooked_and_no_card_starves(sizes: list[float], num_ar: int | None, num_dit: int | None) -> None:
    try:
        seats = assign(cards(*sizes), NEEDS, num_ar=num_ar, num_dit=num_dit)
    except Misconfigured:
        return
    for gpu in cards(*sizes):
        here = [seat for seat in seats if seat.gpu == gpu]
        needs = [NEEDS.ar if seat.worker.startswith("ar") else NEEDS.dit for seat in here]
        takes_turns = any(seat.takes_turns for seat in here)
        assert (max(needs) if takes_turns else sum(needs)) <= gpu.num_bytes
        assert len(here) == 2 or not takes_turns
        if num_dit is None and gpu.num_bytes >= NEEDS.dit and len(seats) <= DITS_PER_AR:
            assert any(seat.worker.startswith("dit") for seat in here), "a card without a DiT worker makes no pictures"


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> list[Gpu]:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(choice, "has_driver", lambda: True)
    return cards(80, 80)


def test_each_worker_sees_only_its_card(two_cards: list[Gpu], tmp_path: Path) -> None:
    settings = Settings(model=REAL, data_dir=tmp_path)
    workers = workers_on_gpus("all", settings, None, None, lambda: two_cards)
    roles = tiers(settings, WorkerCounts(workers.ar, workers.dit, 1, workers.environment), ())[0]
    seen = {role.name: role.command.env.get("CUDA_VISIBLE_DEVICES") for role in roles}
    assert {name: seen[name] for name in ("ar-0", "dit-0", "dit-1", "api-0")} == {
        "ar-0": "0",
        "dit-0": "0",
        "dit-1": "1",
        "api-0": None,
    }


def test_a_dit_worker_with_company_decodes_large_pictures_in_tiles(two_cards: list[Gpu]) -> None:
    environment = workers_on_gpus("all", Settings(model=REAL), None, None, lambda: two_cards).environment
    assert {name for name in environment if "GRIDPRESS_DIT_VAE_TILES" in environment[name]} == {"ar-0", "dit-0"}


def test_dit_workers_that_share_a_card_are_told_their_memory(two_cards: list[Gpu]) -> None:
    environment = workers_on_gpus("0", Settings(model=REAL), 0, 2, lambda: two_cards).environment
    assert len({env["GRIDPRESS_DIT_MEMORY_BYTES"] for env in environment.values()}) == 1
    chosen = Settings(model=REAL, dit_memory_bytes=3 * GIB)
    environment = workers_on_gpus("0", chosen, 0, 2, lambda: two_cards).environment
    assert not any("GRIDPRESS_DIT_MEMORY_BYTES" in env for env in environment.values())


def test_up_says_which_worker_stands_where(two_cards: list[Gpu]) -> None:
    lines = workers_on_gpus("all", Settings(model=REAL), None, None, lambda: two_cards).lines
    assert [line.partition(": ")[2] for line in lines] == ["ar-0, dit-0", "dit-1"]


def test_workers_that_take_turns_are_told_so() -> None:
    settings = Settings(model=REAL, ar_kv_bytes=7)
    environment = workers_on_gpus("all", settings, None, None, lambda: cards(24, 24)).environment
    assert {name for name, env in environment.items() if env.get("GRIDPRESS_SHARE_DEVICE")} == {"ar-0", "dit-0"}
    assert "GRIDPRESS_AR_KV_BYTES" not in environment["ar-0"], "the operator's own size stays"


def test_named_cards_are_the_only_ones_that_are_used(two_cards: list[Gpu]) -> None:
    environment = workers_on_gpus("1", Settings(model=REAL), None, None, lambda: two_cards).environment
    assert {env["CUDA_VISIBLE_DEVICES"] for env in environment.values()} == {"1"}


@pytest.mark.parametrize("wanted", ["2", "first", "0,7", ""])
def test_a_card_that_is_not_there_is_named(wanted: str, two_cards: list[Gpu]) -> None:
    with pytest.raises(Misconfigured, match=f"--gpus {wanted}"):
        workers_on_gpus(wanted, Settings(model=REAL), None, None, lambda: two_cards)


@pytest.mark.parametrize(
    "own",
    [
        {"device": "cuda:1"},
        {"share_device": True},
        {"dit_guidance_devices": "cuda:0,cuda:1"},
        {"dit_sequence_devices": "cuda:0,cuda:1"},
    ],
)
def test_settings_that_choose_cards_themselves_are_left_alone(own: dict[str, object], two_cards: list[Gpu]) -> None:
    settings = Settings(model=REAL, **own)  # type: ignore[arg-type]
    assert not workers_on_gpus(None, settings, None, None, lambda: two_cards).environment
    with pytest.raises(Misconfigured, match="exclude each other"):
        workers_on_gpus("all", settings, None, None, lambda: two_cards)


@pytest.mark.parametrize("model", [None, "demo", "simulate:ar=0"])
def test_a_small_model_asks_for_no_cards_unless_told(model: str | None, two_cards: list[Gpu]) -> None:
    def fail() -> Sequence[Gpu]:
        raise AssertionError("loading torch takes seconds")

    assert workers_on_gpus(None, Settings(model=model), None, None, fail).ar == 1
    assert workers_on_gpus(None, Settings(model=REAL), None, None, lambda: two_cards).dit == 2
    assert workers_on_gpus("none", Settings(model=REAL), None, None, fail).dit == 1


def test_a_card_keeps_its_name_where_only_some_are_visible() -> None:
    gpu = cards(80, 80)[1]
    assert [visible_name(gpu, visible) for visible in (None, "", "3,5", "GPU-a, MIG-b")] == ["1", "1", "5", "MIG-b"]


def test_a_machine_without_gpus_lists_none() -> None:
    assert list(list_gpus()) == []
