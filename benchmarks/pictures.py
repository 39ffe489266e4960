"""Make the pictures of `docs/reports.md` from the recorded report of two boards, with Chromium."""

import base64
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from edgeq.report.files import read_report
from edgeq.report.html.page import write_html
from edgeq.report.html.site import write_site

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the browser of the tests takes the pictures

from browser.chromium import Chromium  # noqa: E402

RECORDED = ROOT / "tests" / "fixtures" / "golden" / "digits_report_v1.json"
FOLDER = ROOT / "docs" / "pictures"
# Name: page, element at the top, width of the window and height of the cut in CSS pixels, colour scheme.
SHOTS = {
    "device": ("device.html", "html", 1200, 1420, "light"),
    "operators": ("device.html", ".beside", 1200, 640, "light"),
    "phone": ("device.html", "html", 360, 760, "dark"),
    "comparison": ("comparison.html", "html", 1200, 700, "light"),
    "site": ("site/index.html", "html", 1200, 560, "light"),
}
COLOURS = 128


def main() -> None:
    """Write the pages, take the pictures."""
    runs = read_report(RECORDED).runs
    first = [run for run in runs if run.device == runs[0].device]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_html(folder / "device.html", [run for run in first if run.artifact.recipe in ("fp32", "int8")])
        write_html(folder / "comparison.html", runs)
        write_site(folder / "site", runs)
        with Chromium(folder / "profile") as browser:
            for name, (page, top, width, height, scheme) in SHOTS.items():
                browser.open(folder / page, width=width, scheme=scheme)
                y = float(
                    browser.ask(f"document.querySelector('{top}').getBoundingClientRect().top + scrollY")
                )
                print(_shoot(browser, FOLDER / f"{name}.png", y, width, height))


def take_picture(page: Path, picture: Path, profile: Path, *, width: int) -> str:
    """Take a picture of a whole page; returns what was written, for people."""
    with Chromium(profile) as browser:
        browser.open(page, width=width, scheme="light")
        height = int(float(browser.ask("document.body.getBoundingClientRect().height")))
        return _shoot(browser, picture, 0, width, height)


def _shoot(browser: Chromium, picture: Path, y: float, width: int, height: int) -> str:
    clip = {"x": 0, "y": y, "width": width, "height": height, "scale": 1}
    shot = browser.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    image.quantize(COLOURS).save(picture, optimize=True)
    return f"{picture.relative_to(ROOT)}: {width} x {height}, {picture.stat().st_size / 1000:.0f} kB"


if __name__ == "__main__":
    main()
