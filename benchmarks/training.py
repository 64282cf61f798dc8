"""How fast the training loop is, beside a plain loop written by hand with a DataLoader, and what components cost.

    python benchmarks/training.py

Both train the same network on the same images, on the CPU, with the threads that are stated. The repetitions
alternate, so that a busy moment of the machine meets both; medians and the range of the ratios are printed.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from passband.data.dataset import ImageDataset, to_pixels
from passband.data.phantom import make_phantom
from passband.models.catalog import build_model
from passband.train.config import RunConfig
from passband.train.epoch import EpochReport
from passband.train.loop import train

REPETITIONS = 5
SAMPLES = 1000
CONFIG = RunConfig("phantom", batch_size=100, epochs=1, learning_rate=1e-3)


def by_hand(dataset: ImageDataset, config: RunConfig) -> float:
    """Train one epoch as most scripts do, and return images a second."""
    model = build_model(config.model, num_classes=len(dataset.classes), seed=0)
    loader = DataLoader(
        TensorDataset(to_pixels(dataset.images), dataset.labels), batch_size=config.batch_size, shuffle=True
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=config.rate)
    start = time.perf_counter()
    for images, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return len(dataset) / (time.perf_counter() - start)


def by_passband(dataset: ImageDataset, config: RunConfig) -> float:
    """Train one epoch with the library, and return images a second."""
    model = build_model(config.model, num_classes=len(dataset.classes), seed=0)
    reports: list[EpochReport] = []
    train(model, dataset, config, on_epoch=reports.append, device="cpu")
    return reports[0].images_per_second


def compare(name: str, dataset: ImageDataset, config: RunConfig, other: RunConfig | None = None) -> None:
    """Print one row: passband on `config` beside passband on `other`, or beside the loop by hand."""
    ours, theirs = [], []
    for _ in range(REPETITIONS):
        theirs.append(by_hand(dataset, config) if other is None else by_passband(dataset, other))
        ours.append(by_passband(dataset, config))
    ratios = [mine / its for mine, its in zip(ours, theirs, strict=True)]
    print(
        f"| {name} | {statistics.median(ours):.0f} | {statistics.median(theirs):.0f} | "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    dataset = make_phantom(SAMPLES, subset="train", size=32)
    print(
        f"Images of 32x32 pixels a second, batches of 100, float32, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, median of {REPETITIONS}\n"
    )
    print("| network | passband | by hand | ratio |\n|---|--:|--:|--:|")
    for model in ("lenet", "resnet8", "resnet14"):
        compare(model, dataset, replace(CONFIG, model=model))
    print("\n| resnet8 with | so | without | ratio |\n|---|--:|--:|--:|")
    for name, settings in (
        ("component lfc:8", {"component": "lfc:8"}),
        ("component hfc:8", {"component": "hfc:8"}),
        ("augment", {"augment": True}),
        ("mixup 0.5", {"mixup": 0.5}),
        ("bf16-mixed", {"precision": "bf16-mixed"}),
        ("adversarial 8/255, 10 steps", {"adversarial": 8 / 255}),
    ):
        compare(name, dataset, replace(CONFIG, **settings), CONFIG)


if __name__ == "__main__":
    main()
