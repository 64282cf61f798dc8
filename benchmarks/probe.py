"""What a probe costs beside the training that it looks at; and how fast components are made and shown to a model.

    OMP_NUM_THREADS=1 python benchmarks/probe.py

Alternatives take turns, so that a machine that slows down slows all of them; figures are medians over the rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from bench import ROUNDS, Line
from bench import main as write_table

import passband as pb
from passband.data.phantom import make_phantom
from passband.engine.probe import Probe
from passband.models.catalog import build_model
from passband.train.config import RunConfig
from passband.train.epoch import EpochReport
from passband.train.loop import train

RADII = [1, 2, 4, 6, 8, 12, 16, 20]
LENGTHS = {"lenet": 12 * 9469, "resnet8": 12 * 9469, "resnet14": 15 * 3000}
"""Training images of runs of the preset `laptop`, one a network, over all epochs."""


def share(name: str) -> Line:
    """Return a line of the seconds of training and of probes in a run of the preset `laptop`.

    Training on 400 images and all answers to 200 are timed in turn, and multiplied by how many the run has of each.
    """
    data = make_phantom(400, subset="train", size=32)
    config = RunConfig("phantom", model=name, batch_size=100, epochs=1, learning_rate=1e-3)
    network = build_model(name, num_classes=len(data.classes), seed=0)
    epochs = 15 if name == "resnet14" else 12
    images = LENGTHS[name] // epochs
    probe = Probe(epochs=(1, 2, 4, 8), along=400).within(epochs, images)
    answers = probe.count_answers(epochs, {"train": images, "test": images})
    one = Probe(samples=200, subsets=("train",))
    trained, probed = [], []
    for _ in range(ROUNDS + 1):  # the first one warms up
        reports: list[EpochReport] = []
        train(network, data, config, on_epoch=reports.append, device="cpu")
        trained.append(reports[0].seconds / len(data) * LENGTHS[name])
        rows = list(one.measure(network, {"train": data}, 1, "", 0, training_batch=config.batch_size))
        probed.append(rows[-1].value / (200 * one.conditions) * answers)
    what = f"probes of a `{name}`, {epochs} epochs of {images:,} images at `laptop`"
    return Line(what, "its training", "s", tuple(trained[1:]), tuple(probed[1:]), "<= .10")


def lines() -> Iterator[Line]:
    """Yield a line a network of the preset `laptop`."""
    for name in LENGTHS:
        yield share(name)


def split_one_by_one(images: torch.Tensor) -> None:
    """Split at each radius with complex transforms of its own, as the definition is usually written down."""
    height, width = images.shape[-2:]
    for radius in RADII:
        mask = pb.radial_mask(height, width, radius)
        low = torch.fft.ifft2(torch.fft.fft2(images) * mask).real
        images - low


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(title: str, count: int, ways: dict[str, Callable[[], object]]) -> None:
    """Time ways to do the same in turn, and print images a second and the speed relative to the first."""
    for work in ways.values():
        work()  # warm up
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, work in ways.items():
            times[name].append(seconds(work))
    first = next(iter(times.values()))
    print(f"\n{title}")
    for name, measured in times.items():
        ratios = [f / m for f, m in zip(first, measured, strict=True)]
        print(
            f"  {name:34} {count / statistics.median(measured):8.0f} images/s   {statistics.median(ratios):5.2f} times "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


def main() -> None:
    write_table(lines())
    images = torch.rand(256, 3, 32, 32)
    compare(
        f"Splitting 256 images of 32x32 at {len(RADII)} radii",
        len(images) * len(RADII),
        {
            "one by one, complex transforms": lambda: split_one_by_one(images),
            "split_many": lambda: pb.split_many(images, RADII),
            "split_many, 42 images at a time": lambda: [pb.split_many(b, RADII) for b in images.split(42)],
        },
    )

    data = pb.make_phantom(252, classes=10)
    model = pb.PixelModel(pb.build_model("resnet14", seed=0), name="resnet14", channels=3).eval()
    shown = len(data) * (1 + 2 * len(RADII))
    compare(
        "Showing the components of 252 images of 32x32 to resnet14",
        shown,
        {
            f"{size} images at a time": lambda size=size: pb.evaluate_components(
                model, data, RADII, batch_size=size, device="cpu"
            )
            for size in (252, 126, 42, 16)
        },
    )
    pixels = torch.rand(42, 3, 32, 32)
    with torch.inference_mode():
        compare(
            "One batch of 42 through resnet14",
            len(pixels),
            {
                "channels first": lambda: model.body(pixels),
                "channels last (PixelModel)": lambda: model(pixels),
            },
        )


if __name__ == "__main__":
    main()
