"""The views Queue, Batches and Webhooks."""

from pathlib import Path

import pytest

from tests.studio.browser import Browser
from tests.studio.conftest import Api, Json
from tests.workers.delivery.receivers import receiving


def test_the_queue_shows_stages_workers_and_a_jobs_way(browser: Browser, api: Api) -> None:
    job = api.http.post("/v1/jobs", json={"prompt": "many in the queue", "size": "256x256", "n": 16}).json()
    browser.open("queue")
    browser.until(lambda: len(browser.all("tbody tr")) == 2, "two workers")
    assert "simulated" in browser.text("table")
    browser.until(lambda: any("many in the queue" in row.text for row in browser.all(".rows li")), "the job")
    assert browser.faults() == []
    browser.click(f'button[aria-label="Cancel: {job["prompt"]}"]')
    browser.until(lambda: api.get(f"/v1/jobs/{job['id']}")["status"] == "cancelled", "the end")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prompts.txt", "a red one\n\na green one\n"),
        ("prompts.csv", 'prompt,seed\n"a red, one",1\na green one,2\n'),
        ("prompts.jsonl", '{"prompt": "a red one"}\n{"prompt": "a green one"}\n'),
    ],
)
def test_a_file_of_prompts_becomes_a_batch(browser: Browser, api: Api, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    browser.open("batches")
    browser.one("#batch-drop")
    browser.all("#batch-file")[0].send_keys(str(tmp_path / name))
    browser.until(lambda: "2 of 2 lines can be rendered" in browser.text(".card [role=status]"), "the check")
    browser.click(".card button", "Start")
    browser.until(lambda: name in browser.text(".rows li:first-child"), "the batch")
    browser.one(".rows li:first-child .status[data-status=completed]")
    browser.until(lambda: len(browser.all(".rows li:first-child .strip img")) == 2, "its pictures")
    assert browser.faults() == []
    browser.click(".rows li:first-child a", "In the gallery")
    browser.until(lambda: len(browser.all(".grid .tile")) == 2, "only its pictures")


def test_a_batch_is_paused_and_resumed(browser: Browser, api: Api, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("".join(f"number {number}\n" for number in range(30)))
    browser.open("batches")
    browser.one("#batch-drop")
    browser.all("#batch-file")[0].send_keys(str(tmp_path / "long.txt"))
    browser.click(".card button", "Start")
    row = ".rows li:first-child"
    browser.until(lambda: "long.txt" in browser.text(row), "the batch")
    browser.click(f"{row} button", "Pause")
    browser.one(f"{row} .status[data-status=paused]")
    assert api.get("/v1/batches?limit=1")["data"][0]["paused"]
    browser.click(f"{row} button", "Resume")
    browser.one(f"{row} .status[data-status=in_progress]")
    browser.click(f"{row} button", "Cancel")
    browser.one(f"{row} .status[data-status=cancelled]")


def test_a_batch_copies_its_pictures_under_a_prefix(browser: Browser, api: Api, tmp_path: Path) -> None:
    (tmp_path / "copied.txt").write_text("a copied one\n")
    browser.open("batches")
    browser.type("#output-prefix", "../elsewhere")
    browser.all("#batch-file")[0].send_keys(str(tmp_path / "copied.txt"))
    browser.until(lambda: "output_prefix" in browser.text(".new-batch [role=status]"), "the reason")
    browser.type("#output-prefix", "studio/spring")
    browser.until(lambda: "1 of 1 lines" in browser.text(".new-batch [role=status]"), "the check with the new prefix")
    browser.click(".card button", "Start")
    browser.until(lambda: "copied.txt" in browser.text(".rows li:first-child"), "the batch")
    [batch] = api.get("/v1/batches?limit=1")["data"]
    assert batch["output_prefix"] == "studio/spring"
    assert batch["output_folder"] in browser.text(".rows li:first-child .path")


def test_a_batch_has_a_seed_reuse_and_a_text_check(browser: Browser, api: Api, tmp_path: Path) -> None:
    lines = ('a sign that says "TEA"', "a plain one")
    before = num_files(api)
    (tmp_path / "signs.txt").write_text("".join(f"{line}\n" for line in lines))
    browser.open("batches")
    browser.one("#batch-drop")
    assert not browser.one("#text-check").is_enabled()
    browser.all("#batch-file")[0].send_keys(str(tmp_path / "signs.txt"))
    browser.until(lambda: browser.one("#text-check").is_enabled(), "a line with quotes")
    browser.click("#batch-reuse")
    assert browser.one("#first-seed").get_attribute("value") == "0"
    choose(browser, "#text-check", "0")
    assert not browser.one("#batch-reuse").is_selected()
    start(browser, "2 of 2 lines")
    jobs = ended_jobs(browser, api)
    assert {job["prompt"]: job["text_check"] for job in jobs} == {lines[0]: {"redraws": 0}, lines[1]: None}
    assert sorted(job["seed"] for job in jobs) == [0, 1]

    for turn in range(2):
        browser.open("batches")
        browser.click("#batch-reuse")
        browser.type("#first-seed", "7")
        browser.all("#batch-file")[0].send_keys(str(tmp_path / "signs.txt"))
        start(browser, "2 of 2 lines")
        jobs = ended_jobs(browser, api)
        assert [bool(job["images"][0]["reused_from"]) for job in jobs] == [turn == 1] * 2
    assert num_files(api) - before == 3  # one for each batch, and none for the lines without the text check


def num_files(api: Api) -> int:
    return len(api.get("/v1/files?limit=1000&purpose=batch")["data"])


def choose(browser: Browser, css: str, value: str) -> None:
    change = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))"
    browser.run(change, browser.one(css), value)


def start(browser: Browser, checked: str) -> None:
    browser.until(lambda: checked in browser.text(".new-batch [role=status]"), "the check")
    browser.click(".new-batch button", "Start")
    browser.until(lambda: not browser.all(".new-batch [role=status] > *"), "the start")


def ended_jobs(browser: Browser, api: Api) -> list[Json]:
    """The jobs of the newest batch, once it has ended."""
    [batch] = api.get("/v1/batches?limit=1")["data"]
    browser.until(lambda: api.get(f"/v1/batches/{batch['id']}")["status"] == "completed", "its end")
    return list(api.get(f"/v1/jobs?batch={batch['id']}")["data"])


def test_a_dead_letter_shows_its_evidence_and_is_tried_again(browser: Browser, api: Api) -> None:
    prompt = "a kettle [simulate crash in dit]"
    asked = {"prompt": prompt, "size": "256x256", "num_inference_steps": 5}
    job = api.http.post("/v1/jobs", json=asked).json()
    browser.open("queue")
    letter = f"li:has(a[href='#gallery/{job['id']}/0']):has(details)"
    browser.one(letter)
    browser.click(f"{letter} summary")
    assert "dit-" in browser.text(f"{letter} details p")
    assert browser.text(f"{letter} .log") != ""
    assert browser.faults() == []
    browser.click(f"{letter} button", "Try again")
    browser.until(lambda: api.get(f"/v1/jobs/{job['id']}")["status"] in ("queued", "running"), "a new attempt")
    api.http.post(f"/v1/jobs/{job['id']}/cancel")
    browser.until(lambda: not browser.all(letter), "no letter")


def test_bad_lines_are_shown_before_the_start(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a good one"}\n{"prompt": "a bad one", "size": "9x9"}\n')
    browser.open("batches")
    browser.one("#batch-drop")
    browser.all("#batch-file")[0].send_keys(str(tmp_path / "bad.jsonl"))
    browser.until(lambda: "1 of 2 lines can be rendered" in browser.text(".card [role=status]"), "the check")
    assert browser.text("tbody tr td") == "2"


def test_an_address_is_added_tested_and_deleted(browser: Browser, api: Api) -> None:
    with receiving() as receiver:
        browser.open("webhooks")
        browser.type("#hook-url", receiver.url)
        browser.click(".card button", "Add")
        browser.until(lambda: browser.text(".notice code").startswith("whsec_"), "the secret")
        browser.click(".rows button", "Send a test")
        browser.click(".rows summary", "Attempts")
        browser.until(lambda: any("webhook_endpoint.test" in each.text for each in _attempts(browser)), "an attempt")
    browser.click(".rows details details summary")
    browser.until(lambda: "webhook_endpoint.test" in browser.text(".rows pre"), "the message")
    assert browser.faults() == []
    browser.click(".rows button", "Delete")
    browser.click("dialog button.danger", "Delete")
    browser.until(lambda: "No addresses yet" in browser.text(".rows"), "none")
    assert api.get("/v1/webhook_endpoints")["data"] == []


def _attempts(browser: Browser) -> list[object]:
    """The attempts that are shown. They are read again each time that their part is opened."""
    for part in browser.all(".rows > li > details"):
        browser.run("if (arguments[0].open) arguments[0].open = false; arguments[0].open = true", part)
    return browser.all(".rows details details summary")
