"""Take the pictures of the explorer's guide: its pages as a browser shows them, of real models.

    passband train fashion-mnist --limit 9469 --model resnet8 --width 16 --batch-norm --learning-rate 5e-3 --schedule cosine \\
        --epochs 16 --out runs/model
    passband study run detection --preset laptop --store runs/detection
    python scripts/picture_explorer.py runs/model --detector runs/detection/runs/ID                # docs/guides/explorer*.png
    python scripts/picture_explorer.py runs/model --detector runs/detection/runs/ID --all pictures # and every width and scheme

It needs Chromium. ID is that of the detector that is to be seen; the study's table names its scenes.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

GUIDES = Path(__file__).parents[1] / "docs" / "guides"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WIDTHS, SCHEMES = (390, 1280), ("light", "dark")


@contextmanager
def exploring(*arguments: str) -> Iterator[str]:
    """Run the command, and end it; yield the address that it prints."""
    line = [sys.executable, "-m", "passband", "explore", *arguments, "--no-open", "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit(f"no address came from {' '.join(line)}")
            yield found[0]
        finally:
            process.terminate()


def take(browser: Browser, address: str, file: Path, width: int, scheme: str) -> None:
    """Take a picture of the page from its top to the end of the strip, once all radii have come; on phones of all of it."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector("#table table", state="attached", timeout=600_000)
    page.wait_for_timeout(300)
    page.screenshot(path=file, full_page=True)
    end = page.locator(".panel").bounding_box()
    page.close()
    if width == max(WIDTHS) and end is not None:
        from PIL import Image

        with Image.open(file) as picture:
            cut = picture.crop((0, 0, picture.width, round(end["y"] + end["height"])))
        cut.save(file, optimize=True)


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="MODEL of passband explore, of Fashion-MNIST")
    parser.add_argument("--at", default="?image=143&at=3", help="what stands at the end of the address")
    parser.add_argument("--detector", help="a detector: MODEL of passband explore")
    parser.add_argument("--scenes", default="phantom:shape=1,texture=0", help="its IMAGES")
    parser.add_argument("--detector-at", default="?image=2&at=16", help="as --at")
    parser.add_argument("--out", type=Path, default=GUIDES, help="folder of the guide's pictures")
    parser.add_argument("--all", type=Path, help="folder of one picture more for each width and scheme")
    asked = parser.parse_args()
    pages = {"explorer": (asked.at, [asked.model, "fashion-mnist"])}
    if asked.detector:
        pages["explorer-detector"] = (asked.detector_at, ["--detector", asked.detector, asked.scenes])
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=path, args=list(QUIET))
        for name, (query, arguments) in pages.items():
            with exploring(*arguments) as address:
                take(browser, address + query, asked.out / f"{name}.png", max(WIDTHS), "light")
                if asked.all is not None:
                    asked.all.mkdir(parents=True, exist_ok=True)
                    for width in WIDTHS:
                        for scheme in SCHEMES:
                            file = asked.all / f"{name}-{width}-{scheme}.png"
                            take(browser, address + query, file, width, scheme)
        browser.close()


if __name__ == "__main__":
    main()
