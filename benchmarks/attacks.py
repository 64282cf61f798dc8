"""Time to robust accuracy at three epsilons, beside calling a library's PGD at each of them.

    OMP_NUM_THREADS=1 python benchmarks/attacks.py
    OMP_NUM_THREADS=1 python benchmarks/attacks.py --run RUN_FOLDER --data SOURCE

Without a run folder it trains two small networks first, one on natural and one on adversarial images. Both ways attack
the same network on the same samples with PGD of 20 steps of the same length from a random start, on one thread. What is
measured is processor time, so that a busy machine does not matter; the repetitions alternate, and medians and the range of
the ratios are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings

import torch

import passband as pb
from passband.attacks import PGD
from passband.data.dataset import ImageDataset, to_pixels
from passband.models.pixels import PixelModel
from passband.robustness.evaluate import evaluate_attack
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig
from passband.train.loop import train

EPSILONS = (0.03, 0.06, 0.09)  # of the paper's Table 2
STEPS = 20
BATCH = 100  # of the library: about what passband chooses, and no slower than 50 or 200


def by_library(model: PixelModel, dataset: ImageDataset) -> tuple[list[float], float]:
    """Return foolbox's robust accuracies, and the seconds it took."""
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import foolbox
    attack = foolbox.attacks.LinfPGD(steps=STEPS, rel_stepsize=2.5 / STEPS)
    start = time.process_time()
    oracle = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    standing = torch.zeros(len(EPSILONS))
    for images, labels in zip(dataset.images.split(BATCH), dataset.labels.split(BATCH), strict=True):
        for index, epsilon in enumerate(EPSILONS):
            _, _, success = attack(oracle, to_pixels(images), labels, epsilons=epsilon)
            standing[index] += (~success).sum()
    return (standing / len(dataset)).tolist(), time.process_time() - start


def by_passband(model: PixelModel, dataset: ImageDataset) -> tuple[list[float], float]:
    """Return our robust accuracies, and the seconds they took."""
    start = time.process_time()
    outcome = evaluate_attack(model, dataset, PGD(steps=STEPS), EPSILONS, device="cpu")
    return outcome.robust.float().mean(dim=1).tolist(), time.process_time() - start


def compare(name: str, model: PixelModel, dataset: ImageDataset, repetitions: int) -> None:
    """Print one row."""
    model.eval()
    theirs, ours = [], []
    for _ in range(repetitions):
        accuracies, seconds = by_library(model, dataset)
        theirs.append(seconds)
        mine, seconds = by_passband(model, dataset)
        ours.append(seconds)
    ratios = [its / my for its, my in zip(ours, theirs, strict=True)]
    listed = (" / ".join(f"{value:.3f}" for value in values) for values in (mine, accuracies))
    print(
        f"| {name} | {statistics.median(ours):.1f} | {statistics.median(theirs):.1f} | "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {' | '.join(listed)} |",
        flush=True,
    )


def trained(adversarial: float | None) -> PixelModel:
    """Train a small network on the built-in Fashion-MNIST."""
    config = RunConfig(
        "fashion-mnist",
        limit=3000,
        model="resnet8",
        width=8,
        batch_norm=True,
        learning_rate=3e-3,
        epochs=6,
        adversarial=adversarial and Adversary(adversarial, PGD(steps=3)),
    )
    dataset = pb.load_dataset("fashion-mnist", "train", limit=config.limit)
    network = pb.build_model(config.model, in_channels=1, width=config.width, batch_norm=True, seed=0)
    return PixelModel(train(network, dataset, config, device="cpu"), name="resnet8", channels=1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", help="a run folder, or any other source of a model")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.run:
        model = pb.load_model(asked.run)
        models = {model.name: model}
    else:
        models = {"natural": trained(None), "adversarial, 8/255": trained(8 / 255)}
    print(
        f"{asked.samples} samples of {asked.data}, PGD-{STEPS} at epsilon {EPSILONS}, {torch.get_num_threads()} thread(s), "
        f"CPU, torch {torch.__version__}, median of {asked.repetitions}\n\n"
        "| network | passband, s | foolbox, s | ratio | robust accuracy, passband | foolbox |\n|---|--:|--:|--:|--:|--:|"
    )
    for name, model in models.items():
        dataset = pb.load_dataset(
            asked.data, "test", size=model.size, channels=model.channels, limit=asked.samples
        )
        compare(name, model, dataset, asked.repetitions)


if __name__ == "__main__":
    main()
