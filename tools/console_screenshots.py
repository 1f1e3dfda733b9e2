"""Makes the screenshots of the console for the documents: `python -m tools.console_screenshots [FOLDER]`.

It starts a service with the sketch engine, draws a few pictures, and opens each view in a Chromium of the system as a
desktop and as a phone, in the light and in the dark theme. With a folder, it also writes each of these there, to look
at. The page has the fonts of the machine: those in the documents were made where Inter is installed.
"""

import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Browser, Page
from tests.support.browser import PHONE, Visit, browsing, draw, wait_for_picture
from tests.support.data_folders import prepared_folder
from tests.support.paths import ROOT
from tests.support.running_service import Service, finish, submit

from tools.console_history import operate, write_usage

PROMPTS: Final = (
    ("a bowl of ramen", "1:1"),
    ("un gato negro y un perro blanco en la playa", "4:3"),
    ("a fox in a forest in autumn, watercolor", "3:2"),
    ("trois oiseaux bleus dans le ciel", "2:1"),
    ("an astronaut riding a horse", "16:9"),
    ("a girl with a yellow umbrella in the rain", "2:3"),
    ("雪の中のペンギン", "3:4"),
    ("a robot playing guitar on stage", "4:3"),
    ('a shop with a sign that says "OPEN"', "3:2"),
    ("a rocket flying to the moon", "2:3"),
    ("a purple elephant next to a small yellow car", "1:1"),
    ("a dragon and a castle, pixel art", "1:1"),
    ("一个骑着马的宇航员", "1:1"),
    ("a field of sunflowers under a blue sky", "16:9"),
    ("a sailboat on the sea at sunset", "3:2"),
    ("красная машина в городе ночью", "1:1"),
    ("three cats on a bench in the park", "3:4"),
    ("a lion behind a tree", "16:9"),
)
CALLED_BACK: Final = ("a teapot", "a naked child", "a red chair", "a swastika flag", "a lamp")
DRAWN: Final = "a lighthouse in a storm at night, with a quantum compass"
SEED: Final = 7
STEP_S: Final = "0.8"
DESKTOP: Final[Mapping[str, Any]] = {"viewport": {"width": 1280, "height": 800}}
DEVICES: Final = {"desktop": DESKTOP, "phone": {**PHONE, "device_scale_factor": 2}}
QUALITY: Final = 82
GAP_PX: Final = 32


def shots(browser: Browser, service: Service, key: str, operator_key: str) -> Iterator[tuple[str, bytes]]:
    """The name and the PNG of each view on each device in each theme."""
    for device, options in DEVICES.items():
        for theme in ("light", "dark"):
            with Visit(browser, service.url, None, color_scheme=theme, **options) as visit:
                yield f"signin-{device}-{theme}", visit.open().screenshot()
            with Visit(browser, service.url, key, color_scheme=theme, **options) as visit:
                for view, page in views(visit):
                    yield f"{view}-{device}-{theme}", page.screenshot()
            with Visit(browser, service.url, operator_key, color_scheme=theme, **options) as visit:
                for view, page in views_of_operators(visit):
                    yield f"{view}-{device}-{theme}", page.screenshot()


def views(visit: Visit) -> Iterator[tuple[str, Page]]:
    """The views of somebody who is signed in, each as it is when it is to be seen."""
    page = visit.open()
    yield "form", page
    page.fill("#seed", str(SEED))
    draw(page, DRAWN)
    page.wait_for_selector(".stage-text:has-text('Step')")
    yield "drawing", page
    page.wait_for_selector(".stage-text:has-text('Step 4')")
    page.wait_for_selector(".preview")
    if page.evaluate("innerWidth < 600"):
        page.evaluate("document.querySelector('#stage').scrollIntoView()")
    page.wait_for_timeout(400)
    yield "forming", page
    wait_for_picture(page)
    if page.evaluate("innerWidth < 600"):
        page.evaluate("document.querySelector('#stage').scrollIntoView()")
    page.wait_for_timeout(400)
    yield "picture", page
    visit.open("gallery")
    page.wait_for_selector(".tile")
    page.wait_for_selector(".tile .picture.is-shown")
    page.wait_for_timeout(1500)  # all others, too
    yield "gallery", page
    page.click("text=Select")
    for number in (1, 2, 4):
        page.click(f".tile-link >> nth={number}")
    yield "selection", page
    page.click(".gallery-head >> text=Done")
    page.click(".tile-link >> nth=3")
    page.wait_for_selector(".task .picture.is-shown")
    page.wait_for_timeout(400)
    yield "task", page
    page.click(".account-button")
    yield "account", page
    page.keyboard.press("Escape")
    visit.open("code")
    page.check("input[value=python]")
    yield "code", page


def views_of_operators(visit: Visit) -> Iterator[tuple[str, Page]]:
    """Usage, the sections of the administration, a new key, and the API page with a call that was tried."""
    page = visit.open("usage")
    page.wait_for_selector(".chart >> nth=1")
    yield "usage", page
    for section in ("overview", "accounts", "keys", "groups", "callbacks", "moderation", "health", "audit"):
        visit.open(f"admin/{section}")
        page.wait_for_timeout(500)
        if section == "health":
            page.wait_for_selector(".findings")
        yield section, page
    visit.open("admin/accounts?account=2")
    page.click("text=New key")
    page.wait_for_timeout(200)
    yield "new-key", page
    page.goto("/docs")
    yield "api", page
    page.click("#getUsage >> text=Try it here")
    page.click("#getUsage form .is-main")
    page.wait_for_selector("#getUsage .answer pre")
    page.evaluate("document.querySelector('#getUsage .try-heading').scrollIntoView()")
    page.wait_for_timeout(200)
    yield "api-tried", page


def fill_as_operator(service: Service) -> str:
    """Give the first account a year of usage, and operate the service. Returns the operator's key."""
    scopes = ("--scope", "admin", "--scope", "generate", "--scope", "read")
    key = service.new_key("studio", "1000", "--name", "on call", *scopes)
    service.new_key("studio", "1", "--name", "mobile app")
    write_usage(service, "studio")
    with service.client(key) as operator:
        operate(operator)
    with service.client(service.new_key("northwind", "5", "--name", "shop")) as client:
        for prompt in CALLED_BACK:
            finish(client, submit(client, prompt=prompt, callback_url="https://example.com/hook")["id"], 120)
    return key


def fill(service: Service) -> str:
    """Draw pictures into the gallery of a new account, and return its key."""
    key = service.new_key("studio", "100", "--name", "website")
    with service.client(key) as client:
        for prompt, size in PROMPTS:
            finish(client, submit(client, prompt=prompt, size=size, seed=SEED)["id"], 120)
    return key


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Pictures of one height, one beside the other, on a transparent ground."""
    width = sum(picture.width for picture in pictures) + GAP_PX * (len(pictures) - 1)
    row = Image.new("RGBA", (width, pictures[0].height))
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width + GAP_PX
    return row


def main() -> None:
    """Take all screenshots, and write those of the documents."""
    with prepared_folder() as data_dir, Service(data_dir, engine="sketch") as service:
        key, operator_key = fill(service), fill_as_operator(service)
        # Only what is drawn before the browser's eyes takes time.
        service.stop()
        service.environment["EASEL_SKETCH_STEP_S"] = STEP_S
        service.start()
        with browsing() as browser:
            taken = dict(shots(browser, service, key, operator_key))
    for folder in map(Path, sys.argv[1:2]):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in taken.items():
            (folder / f"{name}.png").write_bytes(content)
    opened = {name: Image.open(io.BytesIO(content)).convert("RGB") for name, content in taken.items()}
    phones = ("picture-phone-light", "form-phone-dark", "gallery-phone-light", "task-phone-dark")
    documents = {
        "console.webp": opened["picture-desktop-light"],
        "console-gallery.webp": opened["gallery-desktop-dark"],
        "console-usage.webp": opened["usage-desktop-light"],
        "console-operate.webp": opened["overview-desktop-dark"],
        "console-phone.webp": beside([opened[name].resize((390, 844)) for name in phones]),
    }
    for file, picture in documents.items():
        path = ROOT / "docs" / file
        picture.save(path, quality=QUALITY, method=6)
        print(f"docs/{file}: {picture.width}x{picture.height}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
