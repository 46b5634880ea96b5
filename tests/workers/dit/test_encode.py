import io
import json

import numpy as np
import pytest
from PIL import ExifTags, Image, JpegImagePlugin

from shared.ids import ObjectKey, Revision
from shared.jobs.spec import OutputFormat, RenderSettings
from tests.fixtures.pictures import photo_like
from workers.dit.pictures.encode import Provenance, encode_picture
from workers.dit.pictures.labelling import Labelling

PROVENANCE = Provenance(seed=2**53 - 1, model_name="zai-org/GLM-Image", revision=Revision("abc123"), version="0.1.0")
LABELLING = Labelling("a lab")
PICTURE = photo_like(96, 64, seed=0)
PROMPTS = ["plain", "größer, così", "海报 「你好」 “世界”", "emoji 🎂 and\nlines\ttabs \x01"]
LOSSY = [OutputFormat.WEBP, OutputFormat.JPEG]


def make_settings(**changes: object) -> RenderSettings:
    return RenderSettings(**{"prompt": "a cake", "width_px": 96, "height_px": 64, **changes})


def encoded(settings: RenderSettings) -> Image.Image:
    made = encode_picture(PICTURE, settings, PROVENANCE, LABELLING)
    image = Image.open(io.BytesIO(made.data))
    image.load()
    assert made.content_type == Image.MIME[image.format]
    return image


def comment(image: Image.Image) -> bytes:
    return image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")


@pytest.mark.parametrize("output_format", OutputFormat)
def test_a_picture_has_the_format_and_size_that_were_asked_for(output_format: OutputFormat) -> None:
    image = encoded(make_settings(output_format=output_format))
    assert image.format == output_format.name
    assert (image.size, image.mode) == (PICTURE.size, "RGB")


def test_a_picture_of_another_size_than_asked_for_is_scaled_to_cover_it_and_keeps_its_middle() -> None:
    settings = make_settings(crop_width_px=90, crop_height_px=64)
    image = encoded(settings)
    assert np.array_equal(image, np.asarray(PICTURE)[:, 3:93])
    written = json.loads(image.text["settings"])
    assert (written["width_px"], written["crop_width_px"]) == (96, 90)


def test_a_png_keeps_every_pixel() -> None:
    assert np.array_equal(encoded(make_settings()), PICTURE)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_png_says_what_made_it(prompt: str) -> None:
    texts = encoded(make_settings(prompt=prompt, guidance_scale=2.5, images=(ObjectKey("secret/key"),))).text
    assert json.loads(texts.pop("AIGC"))["ContentProducer"] == "a lab"
    del texts["XML:com.adobe.xmp"]  # tests of labels read it
    settings = json.loads(texts.pop("settings"))
    assert texts == {
        "prompt": prompt,
        "seed": str(PROVENANCE.seed),
        "model": PROVENANCE.model_name,
        "model_revision": PROVENANCE.revision,
        "Software": f"Gridpress {PROVENANCE.version}",
    }
    assert settings["guidance_scale"] == 2.5
    assert settings["num_inference_steps"] == RenderSettings.model_fields["num_inference_steps"].default
    assert "images" not in settings


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("output_format", LOSSY)
def test_a_webp_and_a_jpeg_say_what_made_them(output_format: OutputFormat, prompt: str) -> None:
    image = encoded(make_settings(output_format=output_format, prompt=prompt))
    code, text = comment(image)[:8], comment(image)[8:]
    assert code == b"UNICODE\0"
    facts = json.loads(text.decode("utf-16-le" if image.getexif().endian == "<" else "utf-16-be"))
    assert facts["prompt"] == prompt
    assert facts["seed"] == str(PROVENANCE.seed)


@pytest.mark.parametrize("output_format", OutputFormat)
def test_a_picture_says_nothing_of_its_request_when_asked_not_to(output_format: OutputFormat) -> None:
    settings = make_settings(prompt="a secret cake", output_format=output_format, embed_metadata=False)
    data = encode_picture(PICTURE, settings, PROVENANCE, LABELLING).data
    image = Image.open(io.BytesIO(data))
    # The label is there all the same.
    assert set(getattr(image, "text", {})) <= {"AIGC", "XML:com.adobe.xmp"}
    assert comment(image) == b""
    assert b"secret" not in data.replace(b"\0", b"")


def test_a_prompt_that_no_jpeg_segment_holds_is_left_out() -> None:
    settings = make_settings(prompt="🎂" * 20_000, output_format=OutputFormat.JPEG)
    assert comment(encoded(settings)) == b""


def test_a_jpeg_keeps_colour_at_full_resolution_for_sharp_captions() -> None:
    assert JpegImagePlugin.get_sampling(encoded(make_settings(output_format=OutputFormat.JPEG))) == 0


@pytest.mark.parametrize("output_format", LOSSY)
def test_less_quality_makes_a_smaller_file(output_format: OutputFormat) -> None:
    asked = [make_settings(output_format=output_format, output_quality=quality) for quality in (20, 60, 95)]
    sizes = [len(encode_picture(PICTURE, settings, PROVENANCE, LABELLING).data) for settings in asked]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("output_format", OutputFormat)
def test_the_same_picture_makes_the_same_bytes(output_format: OutputFormat) -> None:
    settings = make_settings(output_format=output_format)
    first, second = (encode_picture(PICTURE, settings, PROVENANCE, LABELLING) for _ in range(2))
    assert first == second
