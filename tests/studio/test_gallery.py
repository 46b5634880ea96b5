"""Pictures are found, seen large, compared and deleted; ten thousand of them scroll."""

from tests.api.pictures import data_url, png
from tests.studio.browser import PHONE, Browser
from tests.studio.conftest import Api
from tests.studio.trace import tracing

TILES = ".grid .tile a"
LONG_TASK_MS = 50  # of processor time; browsers call longer tasks long, since people notice them
WIDTHS = "return [...document.querySelectorAll(arguments[0])].map((image) => image.naturalWidth)"


def test_new_pictures_appear_by_themselves_and_filters_find_them(browser: Browser, api: Api) -> None:
    browser.open("gallery")
    browser.one(".filters")
    job = api.made("a heron at dawn", metadata={"shop": "nine"}, n=2)
    tiles = f'{TILES}[href^="#gallery/{job["id"]}/"]'
    browser.until(lambda: len(browser.all(tiles)) == 2, "both pictures")
    for field, text in (("#by-prompt", "HERON"), ("#by-metadata", "shop=nine")):
        browser.type(field, text)
        browser.until(lambda: len(browser.all(TILES)) == 2 and len(browser.all(tiles)) == 2, f"only these by {field}")
        browser.click(".filters button", "Clear filters")
    browser.type("#by-prompt", "no picture has this")
    browser.until(lambda: "Nothing matches" in browser.text(".empty"), "nothing")
    assert browser.faults() == []


def test_a_picture_is_seen_large_and_left_by_keys(browser: Browser, api: Api) -> None:
    first, second = api.made("the first"), api.made("the second")
    browser.open("gallery")
    browser.one(f'{TILES}[href="#gallery/{second["id"]}/0"]').click()
    browser.until(lambda: browser.text("dialog .said") == "the second", "the second")
    browser.one("dialog").send_keys("\ue014")  # arrow right
    browser.until(lambda: browser.text("dialog .said") == "the first", "the first")
    assert browser.run("return location.hash") == f"#gallery/{first['id']}/0"
    browser.one("dialog").send_keys("\ue00c")  # escape
    browser.until(lambda: not browser.all("dialog"), "no dialog")
    assert browser.run("return location.hash") == "#gallery"


def test_two_pictures_are_compared_with_a_slider(browser: Browser, api: Api) -> None:
    api.made("one to compare")
    job = api.made("other to compare")
    browser.open(f"gallery/{job['id']}/0")
    browser.click("dialog .actions button", "Compare")
    browser.click(".picks button")
    browser.one(".compare .edge")
    browser.press("\ue012" * 4)  # arrow left: the slider has the focus
    cut = browser.run("return document.querySelector('.compare').style.getPropertyValue('--cut')")
    assert cut == "48%"
    assert browser.faults() == []


def test_an_edit_shows_what_it_was_made_from(browser: Browser, api: Api) -> None:
    images = [data_url(png(256, 256, colour)) for colour in ("red", "blue")]
    job = api.made("both together", images=images, size="384x256")
    browser.open(f"gallery/{job['id']}/0")
    browser.until(lambda: len(browser.all("dialog .face img")) == 2, "both inputs")
    browser.until(lambda: browser.run(WIDTHS, "dialog .face img") == [512, 512], "their pixels")
    browser.click("dialog .face")
    browser.until(lambda: browser.run(WIDTHS, ".compare img") == [512, 384], "before and after")
    browser.press("\ue00c")  # escape: only the comparison closes
    browser.click("dialog .actions button", "Again, another seed")
    browser.until(lambda: len(browser.all(".inputs img")) == 2, "both inputs in the form")
    browser.click(".send button")
    browser.until(lambda: api.newest()["id"] != job["id"], "a new job")
    made = api.newest()
    same = ("prompt", "width", "height", "num_condition_images")
    assert {name: made[name] for name in same} == {name: job[name] for name in same}
    read = [api.http.get(f"/v1/jobs/{each['id']}/inputs/1?size=original").content for each in (job, made)]
    assert read[0] == read[1]


def test_a_job_is_deleted_with_its_pictures_only_when_asked(browser: Browser, api: Api) -> None:
    job = api.made("to be deleted")
    browser.open(f"gallery/{job['id']}/0")
    browser.click("dialog .actions button", "Delete")
    browser.click("dialog button", "Cancel")
    assert api.get(f"/v1/jobs/{job['id']}")["id"] == job["id"]
    browser.click("dialog .actions button", "Delete")
    browser.click("dialog .row button.danger", "Delete")
    browser.until(lambda: not browser.all("dialog"), "no dialog")
    assert api.http.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert not browser.all(f'{TILES}[href="#gallery/{job["id"]}/0"]')


# Answers the reads of the gallery with pages of pictures that nobody has to render.
MANY = """
const real = window.fetch;
const face = { index: 0, status: "succeeded", url: "here" };
window.fetch = (url, options) => {
  const asked = new URL(url);
  if (asked.pathname !== "/v1/jobs") return real(url, options);
  const first = Number(asked.searchParams.get("after") ?? 0);
  const job = (_, at) => ({ id: `job_${first + at}`, prompt: `p ${first + at}`, images: [face] });
  const data = Array.from({ length: 100 }, job);
  return Promise.resolve(Response.json({ data, has_more: first + 100 < 10000, next: String(first + 100) }));
};
const set = HTMLImageElement.prototype.setAttribute;
HTMLImageElement.prototype.setAttribute = function (name, value) {
  set.call(this, name, name === "src" ? "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=" : value);
};
"""
SCROLL = """
const done = arguments[arguments.length - 1];
(async () => {
  const tiles = () => document.querySelectorAll(".grid li").length;
  const frame = () => new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  let most = 0;
  while (!document.querySelector('.grid li[aria-posinset="10000"]')) {
    scrollTo(0, document.documentElement.scrollHeight);
    await frame();
    most = Math.max(most, tiles());
  }
  for (let turn = 60; turn >= 0; turn--) {
    scrollTo(0, (document.documentElement.scrollHeight * turn) / 60);
    await frame();
    most = Math.max(most, tiles());
  }
  const first = document.querySelector('.grid li[aria-posinset="1"][aria-setsize="10000"]');
  done({ most, first: Boolean(first) });
})().catch((error) => done(String(error)));
"""


def test_ten_thousand_pictures_scroll_with_few_tiles_and_short_tasks(browser: Browser) -> None:
    browser.open("queue")
    browser.one(".stages")
    browser.run(MANY)
    browser.click('.tabs a[href="#gallery"]')
    browser.one(".filters")
    with tracing(browser) as trace:
        seen = browser.driver.execute_async_script(SCROLL)
    print(f"the slowest task took {trace.slowest_ms()} ms of processor time")
    assert trace.slowest_ms() < LONG_TASK_MS
    assert 0 < seen["most"] <= 300
    assert seen["first"]


def test_the_gallery_fits_a_phone(browser: Browser, api: Api) -> None:
    api.made("for a phone")
    browser.resize(PHONE)
    browser.open("gallery")
    browser.one(TILES)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert len({round(tile.rect["x"]) for tile in browser.all(".grid .tile")}) >= 2
    assert browser.faults() == []
