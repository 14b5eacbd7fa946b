"""Photograph a report for README.md and docs/reading.md: `make pictures`.

An argument is a run folder; default: that of `make demo`. It needs Chromium, and writes
docs/figures/report*.png.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from saliency_bench.report import page
from saliency_bench.results import Results

FIGURES = Path(__file__).parent / "figures"
SHOTS: dict[str, tuple[tuple[int, int], Callable[[Any], Any]]] = {
    "report": ((1366, 850), lambda tab: tab),
    "report_card": ((1366, 850), lambda tab: tab.locator("main > .card").first),
    "report_phone": ((390, 844), lambda tab: tab),
}
"""Size of the screen and what is photographed, by the name of the file."""


def main(run: str = "results/demo") -> None:
    """Draw the page of a run and photograph it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("docs/pictures.py needs Chromium; there is none on the path")
    text = page.html(Results.load(run))
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for name, ((width, height), what) in SHOTS.items():
            tab = chromium.new_page(viewport={"width": width, "height": height})
            tab.set_content(text)
            taken = Image.open(io.BytesIO(what(tab).screenshot()))
            taken.convert("RGB").save(FIGURES / f"{name}.png", optimize=True)
            tab.close()
        chromium.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
