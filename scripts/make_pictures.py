"""Make the pictures of README and docs from real runs: `make pictures`.

It trains the network of `make demo` unless that is there, audits, attacks and smooths it, compares, and takes pictures of the
pages that come of it in Chromium, which must be installed; of the explorer, of a network and of a detector that it trains for that
(about ten minutes, once). With `--all FOLDER` it takes each page also on a phone, in the dark and
whole, for whoever looks after them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "demo"
PICTURES = ROOT / "docs" / "pictures"
SCREEN = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

RUNS: dict[str, Sequence[str]] = {
    "explored": (
        *("train", "fashion-mnist", "--limit", "9469", "--model", "resnet8", "--width", "16", "--batch-norm"),
        *("--learning-rate", "5e-3", "--schedule", "cosine", "--epochs", "16", "--out", "demo/explored"),
    ),
    "detection/studies": (
        *("study", "run", "detection", "--preset", "laptop", "--seeds", "1", "--store", "demo/detection"),
    ),
    "smoothed": ("smooth", "demo/model", "--rho", "0.5", "--out", "demo/smoothed"),
    "attack/attack.html": (
        *("attack", "demo/model", "fashion-mnist", "--attack", "pgd", "--limit", "500"),
        *("--epsilon", "2/255", "4/255", "8/255", "--out", "demo/attack"),
    ),
    "smoothed-audit/report.html": (
        *("audit", "demo/smoothed", "fashion-mnist", "--amplitude", "clip"),
        *("--out", "demo/smoothed-audit"),
    ),
    "comparison/comparison.html": (
        "compare",
        "demo/audit",
        "demo/smoothed-audit",
        "--out",
        "demo/comparison",
    ),
}
"""Commands, by the file that shows that they have been run."""

PAGES = {
    "audit": DEMO / "audit" / "report.html",
    "attack": DEMO / "attack" / "attack.html",
    "compare": DEMO / "comparison" / "comparison.html",
}


def run_all() -> None:
    """Run what has not been run."""
    if not PAGES["audit"].is_file():
        subprocess.run(["make", "demo"], cwd=ROOT, check=True)
    for made, command in RUNS.items():
        if not (DEMO / made).exists():
            subprocess.run([sys.executable, "-m", "passband", *command], cwd=ROOT, check=True)


def picture_explorer() -> None:
    """Take the pictures of the explorer: of a network, and of the detector that learned shapes."""
    (uses,) = (DEMO / "detection" / "studies").glob("*/uses.json")
    used = {run["label"]: run["run"] for run in json.loads(uses.read_text())["runs"]}
    detector = DEMO / "detection" / "runs" / used["shape"]
    script = ROOT / "scripts" / "picture_explorer.py"
    subprocess.run([sys.executable, script, DEMO / "explored", "--detector", detector], cwd=ROOT, check=True)


def shoot(
    browser: Any,
    page: Path,
    picture: Path,
    *,
    scheme: str = "light",
    phone: bool = False,
    whole: bool = False,
) -> None:
    """Take a picture of a page's first screen, or of the whole of it."""
    tab = browser.new_page(
        viewport=PHONE if phone else SCREEN, color_scheme=scheme, device_scale_factor=1 if whole else 2
    )
    tab.goto(page.as_uri())
    tab.wait_for_function(
        "document.querySelectorAll('.stage').length === document.querySelectorAll('.stage.vega-embed svg').length"
    )
    picture.parent.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=picture, full_page=whole)
    tab.close()


def main() -> None:
    """Read the command line, and make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--all", type=Path, help="also every width and color scheme, whole pages, into this folder"
    )
    parser.add_argument("--page", type=Path, nargs="*", default=[], help="other pages to take for --all")
    asked = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("no Chromium on this machine")
    run_all()
    picture_explorer()
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name, page in PAGES.items():
            shoot(browser, page, PICTURES / f"{name}.png")
        if asked.all is not None:
            for name, page in (PAGES | {page.stem: page.resolve() for page in asked.page}).items():
                for scheme in ("light", "dark"):
                    for phone in (False, True):
                        width = PHONE["width"] if phone else SCREEN["width"]
                        for whole in (False, True):
                            picture = asked.all / f"{name}-{width}-{scheme}{'-whole' if whole else ''}.png"
                            shoot(browser, page, picture, scheme=scheme, phone=phone, whole=whole)
        browser.close()


if __name__ == "__main__":
    main()
