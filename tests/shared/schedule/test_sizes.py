"""Size classes: which render belongs to which, and what a worker of some sizes can say of others."""

import pytest

from shared.ids import ObjectKey
from shared.jobs.spec import RenderSettings
from shared.schedule.sizes import ANY_SIZE, SIZE_NAMES, SizeClass, Sizes, size_class, size_named, union, why_too_large

SMALL, MEDIUM = Sizes(frozenset()), Sizes(frozenset({"1536", "2048"}))


def a_render(width: int, height: int, *image_sizes: tuple[int, int]) -> RenderSettings:
    images = tuple(ObjectKey(f"i{number}") for number in range(len(image_sizes)))
    return RenderSettings(prompt="a", width_px=width, height_px=height, images=images, image_sizes=image_sizes)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (a_render(256, 256), ""),
        (a_render(2048, 512), ""),
        (a_render(1024, 1024, (1024, 1024)), ""),
        (a_render(1024, 1056), "1536"),
        (a_render(1536, 1536), "1536"),
        (a_render(2048, 2048), "2048"),
        (a_render(1024, 1024, (1024, 1024), (512, 512)), "1024+2048"),
        (a_render(2048, 2048, (512, 512)), "2048+1024"),
        (a_render(2048, 2048, *[(2048, 2048)] * 8), "2048+5824"),
        (a_render(256, 256, *[(2048, 2048)] * 40), "1024+8192"),
    ],
)
def test_a_render_is_in_the_smallest_class_that_has_it(settings: RenderSettings, name: str) -> None:
    assert size_class(settings).name == name
    assert size_named(name).side_px ** 2 >= settings.width_px * settings.height_px


def test_an_image_of_unknown_size_counts_as_an_ordinary_one() -> None:
    images = tuple(map(ObjectKey, "abc"))
    settings = RenderSettings(prompt="a", width_px=512, height_px=512, images=images)
    assert size_class(settings).name == "1024+2048"


@pytest.mark.parametrize("sizes", [ANY_SIZE, SMALL, MEDIUM], ids=["any", "small", "medium"])
def test_what_a_worker_announces_is_read_back(sizes: Sizes) -> None:
    assert Sizes.of(sizes.text) == sizes


def test_a_worker_for_which_everything_fits_announces_any_size() -> None:
    assert Sizes.that_fit(lambda _: True) == ANY_SIZE
    assert Sizes.that_fit(lambda size: size.side_px <= 1536 and not size.conditions_side_px).text == "1536"
    assert Sizes.that_fit(lambda _: False) == SMALL


def test_several_workers_can_render_what_one_of_them_can() -> None:
    edits = Sizes(frozenset({"1024+2048"}))
    assert union([MEDIUM, edits]).names == {"1536", "2048", "1024+2048"}
    assert union([SMALL, ANY_SIZE]) == ANY_SIZE
    assert all(ANY_SIZE.has(size_named(name)) for name in SIZE_NAMES)


@pytest.mark.parametrize(
    ("settings", "sizes", "words"),
    [
        (a_render(2048, 2048), SMALL, "no live worker can render 2048x2048: the largest is 1024x1024"),
        (a_render(2048, 2048, (512, 512)), SMALL, "no live worker can render 2048x2048: the largest is 1024x1024"),
        (
            a_render(2048, 2048, (512, 512)),
            MEDIUM,
            "no live worker can render 2048x2048 with 1 condition image: only pictures without condition images can "
            "have this size",
        ),
        (
            a_render(512, 512, (2048, 2048), (512, 512)),
            SMALL,
            "no live worker can render 512x512 with 2 condition images of this size: the most is 1024x1024 pixels in "
            "all",
        ),
    ],
)
def test_the_reason_names_the_largest_size(settings: RenderSettings, sizes: Sizes, words: str) -> None:
    assert why_too_large(settings, sizes) == words


@pytest.mark.parametrize("name", ["4096", "4096+8192", "3072+12000", "a-later-form"])
def test_a_name_of_a_later_release_is_no_error(name: str) -> None:
    assert size_named(name).name == (name if name[0].isdigit() else "2048+8192")
    assert ANY_SIZE.has(size_named(name))
    assert Sizes.of(f"1536,{name}").largest_picture == SizeClass(1536)


def test_the_largest_of_a_worker_has_words() -> None:
    assert (SMALL.largest_picture.words, MEDIUM.largest_picture.words) == ("1024x1024", "2048x2048")
    assert SizeClass(1024, 4096).words == "1024x1024 with 4096x4096 pixels of condition images"
