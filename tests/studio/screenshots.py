"""Takes the screenshots in the README: `make screenshots`, or `make screenshots MODEL=demo` for real pictures."""

import argparse
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.story.conftest import started
from tests.studio.browser import Browser, browsing
from tests.studio.conftest import Api

FOLDER = Path(__file__).parents[2] / "docs" / "studio"
MOST_BYTES = 200_000
SIZE = (1280, 800)
SHOWN = 'A red poster that says "OPEN"'
PROMPTS = (
    'A blue card with the word "HELLO"',
    'A green sign that says "TEA"',
    'A yellow poster with the word "SALE"',
    'A white card that says "MENU"',
    'An orange sign with the word "BAKERY"',
    'A black poster that says "JAZZ"',
)
COMPLETE = "return [...document.images].every((image) => image.complete && image.naturalWidth)"


def main() -> None:
    """Starts a service with a model, makes pictures with it, and writes the screenshots."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", default="simulate:ar=0,dit=300ms")
    model = parser.parse_args().model
    FOLDER.mkdir(exist_ok=True)
    environment = {"GRIDPRESS_API_PROCESSES": "1"}
    with TemporaryDirectory() as folder, started(Path(folder), environment, model) as url, browsing(url) as browser:
        api = Api(url)
        for prompt in PROMPTS:
            api.made(prompt, n=4, num_inference_steps=20)
        browser.resize(SIZE)
        browser.prefer("light")
        write("make.png", make_view(browser))
        write("gallery.png", gallery_view(browser))


def make_view(browser: Browser) -> bytes:
    """The form with a prompt, and the picture that it made."""
    browser.open("make")
    browser.type("#prompt", SHOWN)
    browser.run("document.querySelector(\"input[name=side][value='256']\").click()")
    browser.run("document.querySelector(\"input[name=n][value='4']\").click()")
    browser.click(".send button")
    made = f'.run[aria-label="{SHOWN.replace(chr(34), chr(92) + chr(34))}"]'
    browser.until(lambda: len(browser.all(f"{made} .frame[href] img")) == 4, "the pictures")
    return picture_of(browser)


def gallery_view(browser: Browser) -> bytes:
    """All pictures."""
    browser.open("gallery")
    browser.until(lambda: len(browser.all(".tile img")) > len(PROMPTS), "the pictures")
    return picture_of(browser)


def picture_of(browser: Browser) -> bytes:
    browser.until(lambda: browser.run(COMPLETE), "whole pictures")
    browser.run("document.activeElement.blur()")
    return bytes(browser.driver.get_screenshot_as_png())


def write(name: str, png: bytes) -> None:
    """Writes a screenshot; with 256 colours if it would be too large for the repository otherwise."""
    file = FOLDER / name
    with Image.open(BytesIO(png)) as image:
        plain = image.convert("RGB")
    plain.save(file, optimize=True)
    if file.stat().st_size > MOST_BYTES:
        plain.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    assert file.stat().st_size <= MOST_BYTES, name


if __name__ == "__main__":
    main()
