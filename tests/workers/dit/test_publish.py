"""What is stored of a finished picture, and of one that is still being drawn."""

import io
import json
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from shared.errors import ObjectStoreUnavailable
from shared.ids import JobId
from shared.jobs.leases import Claim
from tests.fixtures.labels import GENERATED, aigc_of, source_type_of
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.fakes import FakeLeases, FakeObjects
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.labelling import Labelling
from workers.dit.pictures.mark import MarkFont
from workers.dit.pictures.previews import Preview, PreviewPublisher
from workers.dit.pictures.publish import Publisher

FOLDER = "jobs/job/0000/holder"


def a_publisher(objects: FakeObjects) -> Publisher:
    return Publisher(objects, "model", Labelling("a lab"), {"device": "cpu", "gridpress": "0"})  # type: ignore[arg-type]


def test_a_manifest_tells_tier_timings_attempts_and_whether_the_picture_is_blank() -> None:
    objects, leases = FakeObjects(), FakeLeases()
    for image in (photo_like(256, 256, seed=1), Image.new("RGB", (256, 256), "grey")):
        decoded = Decoded(image, denoise_s=1.25, decode_s=0.5)
        a_publisher(objects).write_of(leases, make_claim(), decoded)()  # type: ignore[arg-type]
        manifest = json.loads(objects.kept[leases.pictures[-1].manifest_key])
        assert manifest["picture"]["is_blank"] == (len(leases.pictures) == 2)
    assert (manifest["quality"], manifest["attempts"]) == ("exact", 1)
    assert manifest["timings"] == {"denoise_s": 1.25, "decode_s": 0.5}


@pytest.mark.parametrize("facts", [{"gpu": "NVIDIA H100", "step": "graph"}, {}])
def test_a_manifest_tells_what_computed_both_stages(facts: dict[str, str]) -> None:
    objects, leases = FakeObjects(), FakeLeases()
    claim = replace(make_claim(), prior_engine=facts)
    decoded = Decoded(photo_like(256, 256, seed=1), denoise_s=1.0, decode_s=1.0)
    a_publisher(objects).write_of(leases, claim, decoded)()  # type: ignore[arg-type]
    manifest = json.loads(objects.kept[leases.pictures[-1].manifest_key])
    assert manifest["engine"] == {"device": "cpu", "gridpress": "0"}
    assert manifest["ar_engine"] == (facts or None)


def test_a_manifest_tells_the_label_of_the_picture() -> None:
    objects, leases = FakeObjects(), FakeLeases()
    decoded = Decoded(photo_like(256, 256, seed=1), denoise_s=1.0, decode_s=1.0)
    a_publisher(objects).write_of(leases, make_claim(), decoded)()  # type: ignore[arg-type]
    [picture] = leases.pictures
    aigc = aigc_of(objects.kept[picture.key])
    manifest = json.loads(objects.kept[picture.manifest_key])
    number = aigc["ProduceID"]
    none = dict.fromkeys(("mark", "mark_font", "signed_by"))
    assert manifest["label"] == {"producer": "a lab", "produce_id": number, **none}
    assert aigc["ContentProducer"] == "a lab"


def a_marked_claim() -> Claim:
    claim = make_claim()
    return replace(claim, settings=claim.settings.model_copy(update={"mark": "AI generated"}))


def test_a_manifest_tells_the_text_of_the_visible_mark_and_its_font() -> None:
    font = MarkFont(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf").read_bytes())
    labels = []
    for labelling in (Labelling("a lab"), Labelling("a lab", font)):
        objects, leases = FakeObjects(), FakeLeases()
        publisher = Publisher(objects, "model", labelling, {"gridpress": "0"})  # type: ignore[arg-type]
        decoded = Decoded(photo_like(256, 256, seed=1), denoise_s=1.0, decode_s=1.0)
        publisher.write_of(leases, a_marked_claim(), decoded)()  # type: ignore[arg-type]
        manifest = json.loads(objects.kept[leases.pictures[0].manifest_key])
        assert manifest["settings"]["mark"] == manifest["label"]["mark"] == "AI generated"
        labels.append(manifest["label"])
    assert [label["mark_font"] for label in labels] == [None, font.digest]
    assert labels[0]["produce_id"] != labels[1]["produce_id"]


def test_a_blank_picture_with_a_mark_is_still_blank() -> None:
    objects, leases = FakeObjects(), FakeLeases()
    decoded = Decoded(Image.new("RGB", (256, 256), "grey"), denoise_s=1.0, decode_s=1.0)
    a_publisher(objects).write_of(leases, a_marked_claim(), decoded)()  # type: ignore[arg-type]
    assert json.loads(objects.kept[leases.pictures[0].manifest_key])["picture"]["is_blank"]


def test_a_preview_has_the_mark_of_its_picture() -> None:
    objects, leases = FakeObjects(), FakeLeases()
    publisher = PreviewPublisher(objects, leases, Labelling("a lab"))  # type: ignore[arg-type]
    for number, claim in enumerate((make_claim(), a_marked_claim()), start=1):
        publisher.submit(Preview(claim, number, total=2, image=Image.new("RGB", (128, 128), "white")))
    publisher._pool.shutdown(wait=True)
    plain, marked = (Image.open(io.BytesIO(data)).convert("L").getextrema() for data in objects.kept.values())
    assert plain == (255, 255)
    assert marked[0] < 128


def test_the_bytes_of_a_picture_do_not_tell_which_job_it_is_of() -> None:
    claims = [make_claim(), replace(make_claim(), job_id=JobId("another"), index=3, attempt=2)]
    made = []
    for claim in claims:
        objects, leases = FakeObjects(), FakeLeases()
        decoded = Decoded(photo_like(256, 256, seed=1), denoise_s=1.0, decode_s=float(claim.index))
        a_publisher(objects).write_of(leases, claim, decoded)()  # type: ignore[arg-type]
        made.append((leases.pictures[0].sha256, objects.kept[leases.pictures[0].key]))
    assert made[0] == made[1]


def test_a_write_that_an_outage_cut_short_commits_nothing_and_can_be_repeated() -> None:
    objects, leases = FakeObjects(is_away=True), FakeLeases()
    decoded = Decoded(photo_like(256, 256, seed=1), denoise_s=1.0, decode_s=1.0)
    write = a_publisher(objects).write_of(leases, make_claim(), decoded)  # type: ignore[arg-type]
    with pytest.raises(ObjectStoreUnavailable):
        write()
    assert leases.pictures == []
    objects.is_away = False
    write()
    assert set(objects.kept) == {f"{FOLDER}/{name}" for name in ("image.png", "prior.gpg", "manifest.json")}
    assert len(leases.pictures) == 1


@pytest.mark.parametrize("checks_pictures", [False, True])
def test_a_picture_is_committed_to_its_check_if_a_hook_checks_pictures(*, checks_pictures: bool) -> None:
    objects, leases = FakeObjects(), FakeLeases()
    facts = {"device": "cpu", "gridpress": "0"}
    publisher = Publisher(objects, "model", Labelling("a lab"), facts, checks_pictures=checks_pictures)  # type: ignore[arg-type]
    decoded = Decoded(photo_like(256, 256, seed=1), denoise_s=1.0, decode_s=1.0)
    publisher.write_of(leases, make_claim(), decoded)()  # type: ignore[arg-type]
    assert leases.to_check == [checks_pictures]


def test_nobody_sees_a_preview_if_a_hook_checks_pictures() -> None:
    objects, leases = FakeObjects(), FakeLeases()
    publisher = PreviewPublisher(objects, leases, Labelling("a lab"), is_withheld=True)  # type: ignore[arg-type]
    publisher.submit(a_preview(1))
    publisher._pool.shutdown(wait=True)
    assert (objects.kept, leases.events) == ({}, [])


def a_preview(number: int) -> Preview:
    return Preview(make_claim(), number, total=2, image=photo_like(64, 64, seed=number))


def test_a_preview_is_stored_beside_its_picture_before_it_is_announced() -> None:
    objects, leases = FakeObjects(), FakeLeases()
    publisher = PreviewPublisher(objects, leases, Labelling("a lab"))  # type: ignore[arg-type]
    publisher.submit(a_preview(1))
    publisher._pool.shutdown(wait=True)
    ((kind, data),) = leases.events
    assert (kind, data) == (
        "render.preview",
        {"index": 0, "number": 1, "total": 2, "key": f"{FOLDER}/preview-1.jpeg"},
    )
    preview = objects.kept[data["key"]]  # type: ignore[index]
    assert Image.open(io.BytesIO(preview)).size == (64, 64)
    assert (source_type_of(preview), aigc_of(preview)["ContentProducer"]) == (GENERATED, "a lab")


def test_previews_that_cannot_be_stored_are_left_out_and_make_room_again() -> None:
    objects, leases = FakeObjects(is_away=True), FakeLeases()
    publisher = PreviewPublisher(objects, leases, Labelling("a lab"))  # type: ignore[arg-type]
    for _ in range(20):
        publisher.submit(a_preview(1))
        publisher._pool.submit(lambda: None).result()
    objects.is_away = False
    publisher.submit(a_preview(2))
    publisher._pool.shutdown(wait=True)
    assert [data["number"] for _, data in leases.events] == [2]
