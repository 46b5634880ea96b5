"""Pictures are found, seen large, compared and deleted; ten thousand of them scroll."""

from tests.studio.browser import PHONE, Browser
from tests.studio.conftest import Api

TILES = ".grid .tile a"


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
    slider = browser.one(".compare input")
    slider.send_keys("\ue012" * 4)  # arrow left
    cut = browser.run("return document.querySelector('.compare').style.getPropertyValue('--cut')")
    assert cut == "48%"
    assert browser.faults() == []


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


def test_ten_thousand_pictures_scroll_with_few_tiles(browser: Browser) -> None:
    browser.open("gallery")
    browser.one(".filters")
    most = browser.driver.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        (async () => {
          const { pictureGrid } = await import("/studio/gallery/grid.js");
          const place = document.getElementById("content");
          const grid = pictureGrid(() => {});
          place.replaceChildren(grid.element);
          const face = { index: 0, status: "failed", hasPicture: false };
          const item = (_, at) => ({ ...face, id: `job_${at}`, prompt: `p ${at}` });
          grid.set(Array.from({ length: 10000 }, item));
          let most = 0;
          for (let turn = 0; turn <= 60; turn++) {
            scrollTo(0, (document.documentElement.scrollHeight * turn) / 60);
            await new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
            most = Math.max(most, place.querySelectorAll("li").length);
          }
          const last = place.querySelector('li[aria-posinset="10000"]');
          grid.close();
          done([most, Boolean(last), last?.getAttribute("aria-setsize")]);
        })().catch((error) => done(String(error)));
        """
    )
    assert most[0] <= 300
    assert most[1:] == [True, "10000"]


def test_the_gallery_fits_a_phone(browser: Browser, api: Api) -> None:
    api.made("for a phone")
    browser.resize(PHONE)
    browser.open("gallery")
    browser.one(TILES)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert len({round(tile.rect["x"]) for tile in browser.all(".grid .tile")}) >= 2
    assert browser.faults() == []
