"""Photograph a report for README.md and docs/reading.md: `make pictures`.

An argument is a run folder; default: that of `make demo`. It needs Chromium, and writes
docs/figures/report*.png.
"""

from __future__ import annotations

import io
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import sync_playwright

from saliency_bench.report import page
from saliency_bench.results import Results

FIGURES = Path(__file__).parent / "figures"


@dataclass(frozen=True)
class Shot:
    """A picture of the page.

    Attributes:
        width: of the screen, pixels.
        height: of the screen, pixels.
        part: the first part of the page that is photographed alone; None: what the screen shows.
        scheme: the colours that the reader prefers.
        media: what the page is shown on.
    """

    width: int = 1366
    height: int = 850
    part: str | None = None
    scheme: Literal["light", "dark"] = "light"
    media: Literal["screen", "print"] = "screen"


CARD = "main > .card"
SHOTS = {
    "report": Shot(),
    "report_card": Shot(part=CARD),
    "report_phone": Shot(390, 844),
    "report_dark": Shot(scheme="dark"),
    "report_print": Shot(794, 1123, part=CARD, media="print"),  # the width of A4
}
"""By the name of the file."""


def main(run: str = "results/demo") -> None:
    """Draw the page of a run and photograph it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("docs/pictures.py needs Chromium; there is none on the path")
    text = page.html(Results.load(run))
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for name, shot in SHOTS.items():
            tab = chromium.new_page(viewport={"width": shot.width, "height": shot.height})
            tab.emulate_media(media=shot.media, color_scheme=shot.scheme)
            tab.set_content(text)
            what = tab if shot.part is None else tab.locator(shot.part).first
            taken = Image.open(io.BytesIO(what.screenshot()))
            taken.convert("RGB").save(FIGURES / f"{name}.png", optimize=True)
            tab.close()
        chromium.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
