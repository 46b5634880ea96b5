"""A person makes a picture, edits one, paints a grid again, and copies the code."""

import base64
from pathlib import Path

import pytest

from tests.api.pictures import png
from tests.studio.browser import Browser
from tests.studio.conftest import Api

# Collects all statuses that the newest job's card shows.
WATCH = """
window.seen = new Set();
const statuses = () => document.querySelectorAll(".run[aria-label='many steps'] .status");
const look = () => statuses().forEach((each) => seen.add(each.dataset.status));
new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
"""


def fill(browser: Browser, prompt: str, side: str = "256") -> None:
    browser.open("make")
    browser.type("#prompt", prompt)
    browser.run("document.querySelector(`input[name=side][value='${arguments[0]}']`).click()", side)


def test_a_person_makes_a_picture_and_sees_how_it_was_made(browser: Browser, api: Api) -> None:
    api.made()  # so that times were measured
    fill(browser, 'a red poster that says "OPEN"')
    assert browser.text(".prompt-hint, #prompt-hint") == "Text in the picture: OPEN"
    assert [mark.get_attribute("textContent") for mark in browser.all(".shade mark")] == ['"OPEN"']
    browser.until(lambda: browser.text("#estimate").startswith("Ready in about"), "an estimate")
    assert "0.1 megapixels" in browser.text("#estimate")
    browser.click("#mark")
    browser.click(".send button")
    picture = browser.one(".run[aria-label*=OPEN] .frame[href] img")
    assert "OPEN" in picture.get_attribute("alt")
    browser.until(lambda: browser.run("return arguments[0].naturalWidth", picture) == 256, "the thumbnail")
    browser.click(".run[aria-label*=OPEN] .frame[href]")
    facts = browser.text("dialog .facts")
    assert "256 × 256" in facts
    assert str(api.newest()["seed"]) in facts
    assert "Visible mark" in facts
    assert api.newest()["visible_mark"]
    assert browser.faults() == []
    browser.click("dialog button", "Close")


def test_live_events_show_stages_and_the_end_without_a_reload(browser: Browser, api: Api) -> None:
    api.made("an earlier one")
    fill(browser, "many steps", side="512")
    browser.run("document.querySelector('input[name=n][value=\"8\"]').click()")
    browser.run(WATCH)
    browser.click(".send button")
    browser.until(lambda: (job := api.newest())["prompt"] == "many steps" and job["status"] == "succeeded", "the end")
    browser.one(".run[aria-label='many steps'] .status[data-status=succeeded]")
    assert {"running", "succeeded"} <= set(browser.run("return [...window.seen]"))


def test_again_with_another_seed_takes_all_else_from_the_picture(browser: Browser, api: Api) -> None:
    job = api.made("a blue vase", seed=7, guidance_scale=2.5, size="384x256")
    browser.open(f"gallery/{job['id']}/0")
    browser.click("dialog .actions button", "Again, another seed")
    browser.until(lambda: browser.one("#prompt").get_attribute("value") == "a blue vase", "the prompt")
    browser.click(".send button")
    browser.until(lambda: api.newest()["id"] != job["id"], "a new job")
    made = api.newest()
    same = ("prompt", "width", "height", "guidance_scale", "num_inference_steps", "quality")
    assert {name: made[name] for name in same} == {name: job[name] for name in same}
    assert made["seed"] != 7


def test_a_grid_is_painted_again_with_more_steps(browser: Browser, api: Api) -> None:
    job = api.made("a grid to keep", seed=11)
    browser.open(f"gallery/{job['id']}/0")
    browser.click("dialog .actions button", "Paint grid again")
    browser.type("#steps", "9")
    browser.click(".send button", "Paint the grid again")
    browser.until(lambda: api.newest()["id"] != job["id"], "a new job")
    made = api.newest()
    assert made["prior"] == {"job_id": job["id"], "index": 0}
    assert (made["num_inference_steps"], made["seed"], made["prompt"]) == (9, 11, "a grid to keep")


@pytest.mark.parametrize("way", ["file", "gallery", "edit this"])
def test_a_picture_is_edited(browser: Browser, api: Api, tmp_path: Path, way: str) -> None:
    job = api.made("a picture to edit")
    (tmp_path / "input.png").write_bytes(png(256, 256))
    if way == "edit this":
        browser.open(f"gallery/{job['id']}/0")
        browser.click("dialog .actions button", "Edit this")
    else:
        browser.open("make")
    browser.type("#prompt", "make it green")
    if way == "file":
        browser.all("#files")[0].send_keys(str(tmp_path / "input.png"))
    elif way == "gallery":
        browser.click("#drop button", "From the gallery")
        browser.click(".picks button")
    browser.one(".inputs img")
    browser.click(".send button")
    browser.until(lambda: api.newest()["prompt"] == "make it green", "the edit")
    assert api.newest()["num_condition_images"] == 1
    if way == "edit this":  # as large as the picture, also where the model reads inputs at a larger size
        assert (api.newest()["width"], api.newest()["height"]) == (256, 256)
    browser.click(".inputs button", "Remove picture 1")
    browser.until(lambda: not browser.all(".inputs img"), "no picture")


DROP = """
const bytes = Uint8Array.from(atob(arguments[1]), (char) => char.charCodeAt(0));
const given = new DataTransfer();
given.items.add(new File([bytes], "input.png", { type: "image/png" }));
const kinds = { drop: ["DragEvent", "dataTransfer"], paste: ["ClipboardEvent", "clipboardData"] };
const [kind, field] = kinds[arguments[0]];
const event = new window[kind](arguments[0], { [field]: given, bubbles: true, cancelable: true });
document.body.dispatchEvent(event);
return event.defaultPrevented;
"""


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_taken_wherever_it_lands_and_stays_meanwhile(browser: Browser, way: str) -> None:
    fill(browser, "make it blue")
    picture = base64.b64encode(png(64, 64)).decode()
    assert browser.run(DROP, way, picture)  # else the browser would leave the page and show the file
    browser.one(".inputs img")
    browser.click('.tabs a[href="#queue"]')
    browser.one(".stages")
    browser.run(DROP, way, picture)  # no view takes it here
    browser.click('.tabs a[href="#make"]')
    browser.until(lambda: len(browser.all(".inputs img")) == 1, "the picture")
    assert browser.one("#prompt").get_attribute("value") == "make it blue"


def test_a_refused_request_says_why_at_its_field(browser: Browser) -> None:
    fill(browser, "x")
    browser.click(".make details:not(.code) summary", "More settings") if not browser.one("#steps") else None
    browser.type("#steps", "900")
    browser.click(".send button")
    browser.until(lambda: "num_inference_steps" in browser.text(".send .fault"), "the reason")
    assert browser.one("#steps").get_attribute("aria-invalid") == "true"
    browser.type("#steps", "5")
    browser.until(lambda: not browser.all("#steps[aria-invalid]"), "no fault")


def test_a_waiting_job_is_cancelled(browser: Browser, api: Api) -> None:
    fill(browser, "to be cancelled", side="1024")
    browser.run("document.querySelector('input[name=n][value=\"8\"]').click()")
    browser.click(".send button")
    browser.click(".run[aria-label='to be cancelled'] button", "Cancel")
    browser.one(".run[aria-label='to be cancelled'] .status[data-status=cancelled]")
    assert api.newest()["status"] == "cancelled"


def test_the_code_asks_for_what_the_form_asks_for(browser: Browser, api: Api, tmp_path: Path) -> None:
    fill(browser, 'it\'s "code"')
    browser.run("document.querySelector('details.code').open = true")
    browser.until(lambda: "curl" in browser.text(".code pre"), "the code")
    assert f"{browser.url}/v1/jobs" in browser.text(".code pre")
    browser.run("document.querySelector('input[name=code][value=python]').click()")
    program = browser.run("return document.querySelector('.code pre').textContent")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        exec(compile(program, "shown", "exec"), {})
    assert (tmp_path / "picture-0.png").read_bytes()[:4] == b"\x89PNG"
    assert api.newest()["prompt"] == 'it\'s "code"'


def test_a_person_chooses_a_model_and_gets_its_defaults(browser: Browser, api: Api) -> None:
    path, rules = "/v1/model_rules/acme/Brush", {"waits": True, "defaults": {"num_inference_steps": 12}}
    api.http.patch(path, json=rules).raise_for_status()
    try:
        browser.until(lambda: len(api.http.get("/v1/models").json()["data"]) == 2, "both models")
        fill(browser, "a model of its own")
        browser.until(
            lambda: not browser.run("return document.querySelector('#model').closest('.field').hidden"), "a choice"
        )
        browser.run(
            "const choice = document.querySelector('#model'); choice.value = 'acme/Brush';"
            "choice.dispatchEvent(new Event('change'))"
        )
        assert browser.run("return document.querySelector('#steps').value") == "12"
        browser.click(".send button")
        browser.until(lambda: api.http.get("/v1/jobs?limit=1").json()["data"][0]["model"] == "acme/Brush", "the job")
    finally:
        [job] = api.http.get("/v1/jobs?limit=1").json()["data"]
        api.http.post(f"/v1/jobs/{job['id']}/cancel")
        api.http.patch(path, json={"waits": False, "defaults": None}).raise_for_status()


OPEN_CODE = "document.querySelector('details.code').open = true"


def chosen(browser: Browser, css: str, value: str) -> None:
    """Chooses an entry of a menu, as a person does."""
    script = "const [menu, value] = [document.querySelector(arguments[0]), arguments[1]]; menu.value = value;"
    browser.run(f"{script} menu.dispatchEvent(new Event('change'))", css, value)


def test_the_text_in_a_picture_is_checked_and_the_result_shown(browser: Browser, api: Api) -> None:
    fill(browser, "a sign without quotes")
    browser.run(OPEN_CODE)
    assert browser.run("return document.querySelector('#text-check').disabled")
    browser.type("#prompt", 'a sign that says "OPEN"')
    browser.until(lambda: not browser.run("return document.querySelector('#text-check').disabled"), "the menu")
    chosen(browser, "#text-check", "1")
    for kind in ("curl", "python", "openai"):
        browser.run("document.querySelector(`input[name=code][value=${arguments[0]}]`).click()", kind)
        browser.until(lambda: '"redraws": 1' in browser.text(".code pre"), f"the text check in {kind}")
    browser.click(".send button")
    card = ".run[aria-label^='a sign that says']"
    browser.until(lambda: browser.text(f"{card} figcaption").startswith("The text is"), "the result")
    job = api.newest()
    assert job["text_check"] == {"redraws": 1}
    browser.click(f"{card} .frame[href]")
    facts = browser.text("dialog .facts")
    check = job["images"][0]["text_check"]
    assert ("edit distance" in facts) != check["matches"]
    assert " ".join(check["read"].split()) in " ".join(facts.split())
    browser.click("dialog .actions button", "Again, another seed")
    browser.until(lambda: browser.run("return document.querySelector('#text-check').value") == "1", "the same check")


def test_an_equal_picture_is_reused_and_says_from_where(browser: Browser, api: Api) -> None:
    fill(browser, 'to be reused "A"')
    chosen(browser, "#text-check", "3")
    browser.click("#reuse")
    assert browser.run("return document.querySelector('#text-check').value") == ""
    seed = browser.one("#seed").get_attribute("value")
    assert int(seed) >= 0
    for turn in range(2):
        browser.click(".send button")
        browser.until(lambda: len(browser.all(".run[aria-label^='to be reused'] .frame[href]")) > turn, "the picture")  # noqa: B023
    first, second = reversed(api.get("/v1/jobs?limit=2")["data"])
    assert second["images"][0]["reused_from"] == {"job_id": first["id"], "index": 0}
    assert browser.text("figcaption") == "Copy of an earlier picture"
    browser.click(".run .frame[href]")
    assert f"{first['id']} / 0" in browser.text("dialog .facts")
    browser.click("dialog button", "Close")
    browser.click("button", "Use a random seed each time")
    assert not browser.run("return document.querySelector('#reuse').checked")


def test_a_reload_keeps_the_form_with_its_pictures(browser: Browser, tmp_path: Path) -> None:
    for number, colour in enumerate(("red", "blue")):
        (tmp_path / f"{number}.png").write_bytes(png(64, 64, colour))
    fill(browser, "keep me")
    for number in range(2):
        browser.all("#files")[0].send_keys(str(tmp_path / f"{number}.png"))
        browser.until(lambda: len(browser.all(".inputs img")) == number + 1, "the picture")  # noqa: B023
    sources = "return [...document.querySelectorAll('.inputs img')].map((image) => image.src)"
    before = browser.run(sources)
    browser.driver.refresh()
    browser.until(lambda: browser.run(sources) == before, "both pictures, in their order")
    assert browser.one("#prompt").get_attribute("value") == "keep me"
    for _ in before:
        browser.click(".inputs button", "Remove picture 1")
    browser.until(lambda: not browser.all(".inputs img"), "no picture")
    browser.driver.refresh()
    browser.one("#prompt")
    assert browser.run(sources) == []
