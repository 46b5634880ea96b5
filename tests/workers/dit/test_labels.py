"""Every picture says in its metadata that it is generated, and by whom."""

import json
from collections.abc import Sequence
from io import BytesIO
from itertools import product

import pytest
from PIL import Image

from shared.ids import Revision
from shared.jobs.spec import OutputFormat, RenderSettings
from tests.fixtures.labels import GENERATED, aigc_of, source_type_of
from tests.fixtures.pictures import photo_like
from workers.dit.pictures.encode import Encoded, Provenance, encode_picture
from workers.dit.pictures.labelling import Labelling

PICTURE = photo_like(96, 64, seed=0)
FIELDS = [
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
]
PRODUCERS = ["Gridpress", "001191440300708461136T1XGW3", "示例科技有限公司", 'Smith & Sons <"AI"> \\ Co.']


def encoded(image: Image.Image = PICTURE, producer: str = "Gridpress", seed: int = 7, **changes: object) -> Encoded:
    settings = RenderSettings(
        **{"prompt": "a cake", "width_px": image.width, "height_px": image.height, **changes}  # type: ignore[arg-type]
    )
    return encode_picture(image, settings, Provenance(seed, "model", Revision("r1"), "0.1.0"), Labelling(producer))


@pytest.mark.parametrize("output_format", OutputFormat)
@pytest.mark.parametrize("embed_metadata", [True, False])
def test_every_format_says_that_it_is_generated(output_format: OutputFormat, embed_metadata: bool) -> None:
    made = encoded(output_format=output_format, embed_metadata=embed_metadata)
    assert source_type_of(made.data) == GENERATED
    aigc = aigc_of(made.data)
    assert list(aigc) == FIELDS
    assert (aigc["Label"], aigc["ContentProducer"], aigc["ProduceID"]) == ("1", "Gridpress", made.produce_id)
    assert {aigc[name] for name in FIELDS[3:]} == {""}


@pytest.mark.parametrize("producer", PRODUCERS)
@pytest.mark.parametrize("output_format", OutputFormat)
def test_the_producer_is_the_operators_whatever_letters_it_has(producer: str, output_format: OutputFormat) -> None:
    assert aigc_of(encoded(producer=producer, output_format=output_format).data)["ContentProducer"] == producer


@pytest.mark.parametrize("producer", PRODUCERS)
def test_a_png_has_the_same_label_in_a_text_chunk(producer: str) -> None:
    data = encoded(producer=producer, embed_metadata=False).data
    with Image.open(BytesIO(data)) as image:
        assert json.loads(image.text["AIGC"]) == aigc_of(data)
        assert set(image.text) == {"AIGC", "XML:com.adobe.xmp"}


def test_the_number_of_a_picture_depends_on_its_pixels_alone() -> None:
    asked: Sequence[dict[str, object]] = [
        {"output_format": name, "prompt": prompt, "seed": seed, "producer": producer}
        for name, prompt, seed, producer in product(OutputFormat, ["a cake", "a boat"], [1, 2], ["A", "B"])
    ]
    assert len({encoded(**each).produce_id for each in asked}) == 1  # type: ignore[arg-type]


def test_other_pixels_and_other_sizes_have_other_numbers() -> None:
    grey, wide, one_pixel = PICTURE.convert("L").convert("RGB"), PICTURE.resize((64, 96)), PICTURE.copy()
    one_pixel.putpixel((95, 63), (1, 2, 3))
    flat = Image.new("RGB", (96, 64)), Image.new("RGB", (64, 96))
    numbers = [encoded(image).produce_id for image in (PICTURE, grey, wide, one_pixel, *flat)]
    assert len(set(numbers)) == len(numbers)
    assert all(len(number) == 32 and int(number, 16) for number in numbers)


def test_the_number_is_that_of_the_delivered_pixels() -> None:
    cropped = encoded(crop_width_px=90, crop_height_px=64)
    with Image.open(BytesIO(cropped.data)) as image:
        assert encoded(image.convert("RGB")).produce_id == cropped.produce_id
