"""What renders cost beside each other, and that costs of earlier releases stay readable."""

import json
from pathlib import Path

import pytest

from shared.errors import Misconfigured
from shared.ids import ObjectKey
from shared.jobs.spec import Quality, RenderSettings
from shared.schedule.cost import DEFAULT_COSTS, CostModel, cost_of, fitted
from shared.schedule.profile import ArPoint, DitPoint, Profile, costs_of_profile


def a_render(side_px: int = 1024, **fields: object) -> RenderSettings:
    return RenderSettings.model_validate({"prompt": "a", "width_px": side_px, "height_px": side_px, **fields})


def an_edit(*sizes: tuple[int, int], **fields: object) -> RenderSettings:
    images = tuple(ObjectKey(f"inputs/{index}.png") for index, _ in enumerate(sizes))
    return a_render(images=images, image_sizes=sizes, **fields)


def test_a_picture_of_1024_pixels_costs_what_earlier_releases_charged() -> None:
    """So costs of both add up in one lane while a service is rolled over."""
    assert cost_of(a_render()).dit == pytest.approx(1024 * 1024 * 50 * 2, rel=0.005)
    assert cost_of(a_render()).ar == a_render().num_decode_steps


def test_attention_makes_large_pictures_dearer_than_their_pixels() -> None:
    """By the FLOP of a forward of GLM-Image: 24 w^2 n + 4 w n^2 with w = 4096."""
    large, small = (cost_of(a_render(side, num_inference_steps=50)).dit for side in (2048, 1024))
    flop = [24 * 4096**2 * n + 4 * 4096 * n**2 for n in (16384, 4096)]
    assert large / small == pytest.approx(flop[0] / flop[1], rel=0.01)
    assert large / small > 5.6


def test_condition_images_cost_both_stages_and_more_of_them_more() -> None:
    plain, one, two = a_render(), an_edit((1024, 1024)), an_edit((1024, 1024), (2048, 2048))
    assert cost_of(plain).dit < cost_of(one).dit < cost_of(two).dit
    assert one.num_decode_steps < cost_of(one).ar < cost_of(two).ar


def test_only_the_conditional_forward_reads_condition_images() -> None:
    def extra(guidance_scale: float) -> float:
        edit, plain = (
            cost_of(make).dit
            for make in (an_edit((1024, 1024), guidance_scale=guidance_scale), a_render(guidance_scale=guidance_scale))
        )
        return edit - plain

    assert extra(1.0) == pytest.approx(extra(1.5), rel=1e-6)


def test_half_the_steps_and_the_fast_tier_cost_less() -> None:
    exact, fast, short = a_render(), a_render(quality=Quality.FAST), a_render(num_inference_steps=25)
    assert cost_of(fast).dit == pytest.approx(cost_of(exact).dit / 2, rel=0.01)
    assert cost_of(short).dit == pytest.approx(cost_of(exact).dit / 2, rel=0.01)


@pytest.mark.parametrize(
    ("quality", "forward_passes"),
    [(Quality.EXACT, 100), (Quality.BALANCED, 80), (Quality.FAST, 50), (Quality.FEW_STEPS, 40)],
)
def test_a_quality_costs_its_forward_passes(quality: Quality, forward_passes: int) -> None:
    without_vae = CostModel(vae_pixel=0)
    cost = without_vae.cost_of(a_render(quality=quality)).dit
    assert cost == pytest.approx(forward_passes * without_vae.forward(4096), rel=1e-6)


@pytest.mark.parametrize("quality", list(Quality))
def test_without_guidance_a_step_has_one_forward_pass(quality: Quality) -> None:
    settings = a_render(quality=quality, guidance_scale=1.0)
    assert len(settings.guided_steps) == 0
    share = 0.5 if quality is Quality.FAST else 1
    without_vae = CostModel(vae_pixel=0)
    expected = share * settings.num_denoise_steps * without_vae.forward(4096)
    assert without_vae.cost_of(settings).dit == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("asked", "taken"), [(1, 1), (2, 1), (3, 2), (5, 2), (20, 8), (50, 20), (200, 80)])
def test_few_steps_are_two_fifths_and_at_least_one(asked: int, taken: int) -> None:
    assert a_render(quality=Quality.FEW_STEPS, num_inference_steps=asked).num_denoise_steps == taken
    assert a_render(quality=Quality.BALANCED, num_inference_steps=asked).num_denoise_steps == asked


@pytest.mark.parametrize(("steps", "guided"), [(1, 1), (2, 2), (3, 2), (20, 12), (50, 30)])
def test_balanced_guides_the_first_three_fifths(steps: int, guided: int) -> None:
    settings = a_render(quality=Quality.BALANCED, num_inference_steps=steps)
    assert settings.guided_steps == range(guided)


def test_an_edit_of_an_earlier_release_is_charged_for_images_of_1024_pixels() -> None:
    record = an_edit((1024, 1024)).model_dump(mode="json", exclude={"image_sizes"})
    assert cost_of(RenderSettings.model_validate(record)) == cost_of(an_edit((1024, 1024)))


@pytest.mark.parametrize("side_px", [256, 512, 1024, 2048])
def test_costs_are_whole_numbers_as_the_store_requires(side_px: int) -> None:
    cost = cost_of(an_edit((544, 736), num_inference_steps=7, width_px=side_px, height_px=side_px))
    assert all(isinstance(each, int) and each > 0 for each in (cost.ar, cost.dit))


def test_a_profile_gives_the_attention_that_made_it() -> None:
    device = CostModel(attention_tokens=3000)
    steps = [(side**2, 2e-9 * device.forward(side**2 / 256)) for side in (256, 512, 768, 1024)]
    assert fitted(steps).attention_tokens == pytest.approx(3000, rel=1e-6)


@pytest.mark.parametrize("steps", [[(1024**2, 1.0)], [(512**2, 1.0), (1024**2, 3.0)]])
def test_a_profile_that_shows_no_attention_leaves_the_arithmetic(steps: list[tuple[int, float]]) -> None:
    assert fitted(steps) == DEFAULT_COSTS


def test_a_profile_is_read_from_its_file(tmp_path: Path) -> None:
    points = [DitPoint(width=side, height=side, step_s=seconds, fixed_s=0) for side, seconds in ((512, 1), (1024, 5))]
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(Profile(ar=[ArPoint(rows=1, step_s=1)], dit=points).model_dump()))
    assert costs_of_profile(file).attention_tokens == pytest.approx(11 * 1024)
    assert costs_of_profile(None) == DEFAULT_COSTS


def test_a_file_that_is_no_profile_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_COST_PROFILE"):
        costs_of_profile(tmp_path / "none.json")
