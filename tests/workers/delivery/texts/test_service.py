"""Text checks from claim to decision, over the real stores, with Tesseract and with a hook on loopback."""

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from PIL import Image, ImageDraw, ImageFont

from shared.egress.rules import EgressRules
from shared.errors import Misconfigured
from shared.jobs.job import Job, Picture, Render
from shared.jobs.manifest import manifest_key
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.jobs.text_check import TextCheck
from shared.jobs.usage import usage_of
from shared.objects.store import ObjectStore
from shared.responses.job import job_response
from shared.settings.settings import Settings
from shared.store.checks.checks import CheckClaim, TextCheckStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.restore import RestoredJobs
from shared.store.renders.handovers import HandoverStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior, a_spec, new_job_id
from tests.workers.delivery.content.hooks import LOOPBACK, SECRET, FakeHook, hooking
from workers.delivery.manifest import write_manifest
from workers.delivery.texts.parts import make_text_service
from workers.delivery.texts.readers import TextReader
from workers.delivery.texts.service import TextCheckService
from workers.upkeep.handovers import delete_handovers

PROMPT = 'a sign that says "Open"'
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")


def a_file(text: str) -> bytes:
    image = Image.new("RGB", (256, 256), "white")
    font = ImageFont.load_default(70)
    ImageDraw.Draw(image).text((20, 80), text, "black", font)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@dataclass
class Written:
    """A reader of pictures whose bytes are the text that they show."""

    objects: ObjectStore

    def read(self, claim: CheckClaim) -> Iterator[str]:
        assert claim.picture
        yield "noise"
        yield self.objects.get(claim.picture.key).decode()


class Broken:
    def read(self, claim: CheckClaim) -> Iterator[str]:
        raise KeyError("a bug")


@dataclass
class Shop:
    """The service beside the stores."""

    client: Client
    objects: ObjectStore
    settings: Settings
    wakes: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs = JobStore(self.client)
        self.leases = LeaseStore(self.client, RULES)

    def service(self, reader: TextReader | None) -> TextCheckService:
        checks = TextCheckStore(self.client, 60)
        return TextCheckService(checks, self.objects, reader, checks_content=False, on_end=self.wakes.append)

    def made(self, rules: EgressRules = LOOPBACK, **settings: object) -> TextCheckService:
        return make_text_service(self.client, self.objects, rules, self.settings.model_copy(update=settings))

    def submitted(self, redraws: int = 3) -> Job:
        spec = a_spec(text_check=TextCheck(redraws=redraws))
        settings = spec.settings.model_copy(update={"prompt": PROMPT})
        return self.jobs.submit(new_job_id(), spec.model_copy(update={"settings": settings}))

    def drawn(self, data: bytes) -> Picture:
        """The next picture of the queue, drawn with these bytes."""
        prior = self.leases.claim(Stage.AR, REVISION, WORKER_ID)
        assert prior
        self.leases.finish_prior(prior.lease, a_prior())
        claim = self.leases.claim(Stage.DIT, REVISION, WORKER_ID)
        assert claim
        keys = {"key": f"{claim.folder}/image.png", "manifest_key": f"{claim.folder}/manifest.json"}
        picture = Picture(
            **keys, sha256=hashlib.sha256(data).hexdigest(), num_bytes=len(data), content_type="image/png"
        )  # type: ignore[arg-type]
        usage = usage_of(claim, picture, 0.5)
        self.objects.put(picture.key, data, "image/png")
        self.objects.put(picture.grid_key, b"grid", "application/octet-stream")
        manifest = {"version": 1, "seed": claim.seed, "usage": {"pictures": 1, "dit_device_s": 0.5}}
        self.objects.put(picture.manifest_key, json.dumps(manifest).encode(), "application/json")
        self.leases.finish_picture(claim.lease, picture, usage, to_check=True)
        return picture

    def job(self, job: Job) -> Job:
        return self.jobs.job_of_any_tenant(job.job_id)

    def render(self, job: Job) -> Render:
        return self.job(job).renders[0]


@pytest.fixture
def shop(client: Client, objects: ObjectStore, s3_settings: Settings) -> Shop:
    return Shop(client, objects, s3_settings)


@pytest.fixture
def hook() -> Iterator[FakeHook]:
    with hooking((200, b'{"text": "OPEN"}')) as known:
        yield known


def test_the_best_of_all_drawings_is_kept_with_its_seed_and_manifest(shop: Shop) -> None:
    job, service = shop.submitted(redraws=2), shop.service(Written(shop.objects))
    pictures = []
    for text in ("Oxxx", "Opem", "Oper"):
        pictures.append(shop.drawn(text.encode()))
        assert service.check_one()
    assert not service.check_one()
    done = job_response(shop.job(job), "https://a.example", "m")
    [image] = done["images"]
    assert (done["status"], done["text_check"], image["seed"]) == ("succeeded", {"redraws": 2}, 8)
    shown = {"matches": False, "edit_distance": 0.25, "read": "Opem", "redraws": 2, "error": None}
    assert image["text_check"] == shown
    assert shop.objects.get(pictures[1].key) == b"Opem"
    manifest = json.loads(shop.objects.get(pictures[1].manifest_key))
    assert (manifest["seed"], manifest["text_check"]) == (8, shown)
    assert manifest["usage"] == {"pictures": 1, "dit_device_s": 1.5}
    assert shop.wakes == [True, True, False]
    delete_handovers(HandoverStore(shop.client), shop.objects)
    for key in (pictures[0].key, pictures[2].manifest_key, pictures[2].grid_key):
        assert not shop.objects.has(key)


def test_a_match_in_any_way_to_read_ends_the_check(shop: Shop) -> None:
    job = shop.submitted()
    shop.drawn(b"OPEN")
    assert shop.service(Written(shop.objects)).check_one()
    render = shop.render(job)
    assert render.text
    assert render.text.reading
    assert (render.state, render.text.num_redraws) == (RenderState.SUCCEEDED, 0)
    assert (render.text.reading.text, render.text.reading.is_match) == ("OPEN", True)


def unread(shop: Shop, service: TextCheckService, job: Job) -> None:
    """The picture is kept, and the answer says that its text was not read."""
    assert service.check_one()
    [image] = job_response(shop.job(job), "https://a.example", "m")["images"]
    assert image["status"] == "succeeded"
    assert image["text_check"]["error"]["code"] == "text_not_read"
    assert "127.0.0.1" not in image["text_check"]["error"]["message"]


@pytest.mark.parametrize("reader", [None, Broken()])
def test_without_a_reader_the_picture_is_kept_unread(shop: Shop, reader: TextReader | None) -> None:
    job = shop.submitted()
    shop.drawn(b"Oper")
    unread(shop, shop.service(reader), job)
    assert shop.render(job).seed == 7


def test_when_reading_fails_later_the_best_drawing_so_far_is_kept(shop: Shop) -> None:
    job = shop.submitted()
    shop.drawn(b"Oper")
    assert shop.service(Written(shop.objects)).check_one()
    shop.drawn(b"Open")
    unread(shop, shop.service(None), job)
    render = shop.render(job)
    assert (render.seed, render.text and render.text.reading and render.text.reading.text) == (7, "Oper")


def test_a_check_whose_workers_die_is_given_up(shop: Shop) -> None:
    job, service = shop.submitted(), shop.service(Written(shop.objects))
    shop.drawn(b"Oper")
    for _ in range(3):
        assert service.claim()
        shop.client.zadd("gridpress:texts:interactive", {f"{job.job_id}:0000": 0})
    unread(shop, service, job)


def test_a_hook_reads_the_picture_that_it_gets(shop: Shop, hook: FakeHook) -> None:
    service = shop.made(text_reader="hook", text_hook_url=hook.url, content_hook_secret=SECRETS.content_hook_secret)
    job = shop.submitted()
    picture = shop.drawn(b"any")
    assert service.check_one()
    [asked] = hook.questions
    assert (asked["type"], asked["data"]["quoted"], asked["data"]["index"]) == ("picture.text", ["Open"], 0)
    assert (asked["data"]["job_id"], asked["data"]["picture"]["sha256"]) == (job.job_id, picture.sha256)
    assert shop.job(job).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("answer", [(500, b""), (404, b""), (200, b"[]"), (200, b'{"text": 5}'), (200, b"garbage")])
def test_a_hook_that_is_down_leaves_the_picture_unread(shop: Shop, hook: FakeHook, answer: tuple[int, bytes]) -> None:
    hook.answers = [answer]
    one = {"content_hook_attempts": 1, "content_hook_secret": SECRETS.content_hook_secret}
    service = shop.made(text_reader="hook", text_hook_url=hook.url, **one)
    job = shop.submitted()
    shop.drawn(b"any")
    unread(shop, service, job)


SECRETS = Settings(content_hook_secret=SECRET)  # type: ignore[arg-type]


def test_a_hook_that_can_not_be_called_is_refused_at_the_start(shop: Shop) -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_TEXT_HOOK_URL"):
        shop.made(text_reader="hook")
    with pytest.raises(Misconfigured, match="CONTENT_HOOK_SECRET"):
        shop.made(text_reader="hook", text_hook_url="http://127.0.0.1:1/")


@needs_tesseract
def test_tesseract_reads_the_picture(shop: Shop) -> None:
    pytest.importorskip("pytesseract")
    # on a busy machine Tesseract takes a minute
    service, job = shop.made(text_reader="tesseract", text_timeout_s=600), shop.submitted()
    shop.drawn(a_file("SHUT"))
    assert service.check_one()
    assert shop.render(job).state is RenderState.QUEUED
    shop.drawn(a_file("OPEN"))
    assert service.check_one()
    render = shop.render(job)
    assert (render.seed, render.text and render.text.reading and render.text.reading.text) == (8, "OPEN")


@needs_tesseract
def test_a_file_that_is_no_picture_is_not_read(shop: Shop) -> None:
    pytest.importorskip("pytesseract")
    job = shop.submitted()
    shop.drawn(b"no picture")
    unread(shop, shop.made(text_reader="tesseract"), job)


@needs_tesseract
def test_a_language_that_tesseract_lacks_is_refused_at_the_start(shop: Shop) -> None:
    pytest.importorskip("pytesseract")
    with pytest.raises(Misconfigured, match="Tesseract lacks klingon"):
        shop.made(text_reader="tesseract", text_languages="eng+klingon")


def test_a_job_that_is_restored_from_its_manifest_keeps_its_text_check(shop: Shop) -> None:
    job = shop.submitted()
    shop.drawn(b"OPEN")
    shop.service(Written(shop.objects)).check_one()
    done = shop.job(job)
    write_manifest(shop.objects, done, job_response(done, "https://a.example", "m"))
    manifest = json.loads(shop.objects.get(manifest_key(job.job_id)))
    shop.client.flushall()
    assert RestoredJobs(shop.client).restore(manifest)
    again = shop.job(job)
    assert (again.renders[0].text, again.spec.text_check) == (done.renders[0].text, TextCheck(redraws=3))
