"""How soon the explorer shows something: from the slider to the picture, and a new image.

    python benchmarks/explorer.py                       # needs Chromium
    python benchmarks/explorer.py --moves 200 --images 20

A server and a browser on this machine. A move is one step of the slider, as a hand makes it: from the event to the end of the frame in
which both parts, their answers and the circle are drawn. Moves come at random times, so that they meet the screen's frames at all phases. A
new image is chosen in the gallery: from the click to the end of the frame that shows it cut at the radius, with the answers; and until all radii
have come.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import threading
from importlib.metadata import version

import torch
from playwright.sync_api import Page, sync_playwright
from torch import nn

import passband as pb
from passband.data.dataset import ImageDataset
from passband.explorer.app import make_app
from passband.explorer.classifier import ExploredClassifier
from passband.explorer.scene import Scene
from passband.explorer.serve import address_of, listen, server_for
from passband.models.pixels import PixelModel

PAINTED = "const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));"
MOVES = f"""async (count) => {{
  {PAINTED}
  const at = document.getElementById("at"), taken = [];
  const moved = new Promise((done) => setTimeout(done, 300));
  await moved;
  for (let i = 0; i < count; i++) {{
    const next = (Number(at.value) + 1 + Math.floor(Math.random() * Number(at.max))) % (Number(at.max) + 1);
    await new Promise((done) => setTimeout(done, 20 + 40 * Math.random()));
    const begin = performance.now();
    at.value = next;
    at.dispatchEvent(new Event("input", {{ bubbles: true }}));
    await painted();
    taken.push(performance.now() - begin);
  }}
  return taken;
}}"""
CHOICES = f"""async (count) => {{
  {PAINTED}
  const first = [], all = [];
  for (let i = 0; i < count; i++) {{
    const button = document.querySelectorAll("#thumbs button")[(i + 1) % 20];
    const title = `Image ${{button.dataset.image}}`;
    document.getElementById("table").replaceChildren();
    document.getElementById("answers-second").replaceChildren();
    const begin = performance.now();
    button.click();
    const shown = () => document.getElementById("panel-title").textContent.startsWith(title) && document.querySelector("#answers-second li");
    while (!shown()) await new Promise((done) => setTimeout(done, 1));
    await painted();
    first.push(performance.now() - begin);
    while (!document.querySelector("#table table")) await new Promise((done) => setTimeout(done, 2));
    all.push(performance.now() - begin);
  }}
  return [first, all];
}}"""


def scenes() -> dict[str, Scene]:
    """Return a small network on small images, and one of 224 pixels on as large ones, both of random weights."""
    small = pb.load_dataset("fashion-mnist", limit=60)
    network = pb.build_model("resnet8", num_classes=10, in_channels=1, batch_norm=True)
    large = ImageDataset(
        torch.randint(0, 256, (24, 3, 224, 224), dtype=torch.uint8),
        torch.arange(24) % 10,
        small.classes,
        "noise",
    )
    from torchvision.models import resnet18

    return {
        "resnet8, 28x28 gray": Scene.of([PixelModel(network, name="resnet8")], small, device="cpu"),
        "ResNet-18, 224x224 color": Scene.of(
            [PixelModel(_of_ten(resnet18(weights=None)), name="resnet18")], large, device="cpu"
        ),
    }


def _of_ten(network: nn.Module) -> nn.Module:
    network.fc = nn.Linear(512, 10)
    return network.eval()


def measured(page: Page, address: str, moves: int, images: int) -> dict[str, list[float]]:
    """Return the milliseconds of moves, of first pictures and of whole images."""
    page.goto(address)
    page.wait_for_selector("#table table", state="attached", timeout=300_000)
    first, whole = page.evaluate(CHOICES, images)
    return {"slider to picture": page.evaluate(MOVES, moves), "first picture": first, "all radii": whole}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--images", type=int, default=20)
    asked = parser.parse_args()
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "starlette", "uvicorn"))
    load = os.getloadavg()[0]
    print(
        f"Python {platform.python_version()}, {versions}, {platform.machine()}, {os.cpu_count()} processors"
    )
    print(f"{torch.get_num_threads()} threads of torch, load {load:.1f} before\n")
    print("| what | of | median | 95th percentile | number |\n|---|---|--:|--:|--:|")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name, scene in scenes().items():
            listening, began = listen("127.0.0.1", 0), threading.Event()
            server = server_for(make_app(ExploredClassifier(scene)), began.set)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
            thread.start()
            began.wait()
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            few = asked.images if scene.images.size[0] < 100 else max(2, asked.images // 4)
            for what, taken in measured(page, address_of(listening, "127.0.0.1"), asked.moves, few).items():
                late = statistics.quantiles(taken, n=20)[-1] if len(taken) > 1 else taken[0]
                print(
                    f"| {what} | {name} | {statistics.median(taken):.0f} ms | {late:.0f} ms | {len(taken)} |"
                )
            page.close()
            server.should_exit = True
            thread.join()
            listening.close()
        browser.close()


if __name__ == "__main__":
    main()
