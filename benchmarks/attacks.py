"""Time to robust accuracy at three epsilons, beside calling a library's PGD at each of them.

    OMP_NUM_THREADS=1 python benchmarks/attacks.py
    OMP_NUM_THREADS=1 python benchmarks/attacks.py --run RUN_FOLDER --data SOURCE --rounds 1

Without a run folder it trains two small networks first, one on natural and one on adversarial images. Both ways attack
the same network on the same samples with PGD of 20 steps of the same length from a random start, on one thread, the library in
a process of its own. What is measured is processor time, so that a busy machine does not matter.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Iterator

import torch
from apart import robust_accuracies
from bench import Line
from bench import main as print_table

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
    torch.set_num_threads(1)
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


def compare(name: str, model: PixelModel, dataset: ImageDataset, rounds: int) -> Line:
    """Return a line."""
    return robust_accuracies(
        f"robust accuracy at 3 epsilons, PGD-{STEPS}, {len(dataset):,} images, {name}",
        "foolbox for each epsilon",
        by_library,
        by_passband,
        model.eval(),
        dataset,
        rounds=rounds,
        target="<= .5",
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


def lines(samples: int = 1000, rounds: int = 3) -> Iterator[Line]:
    """Yield a line for a network trained on natural, and for one trained on adversarial images."""
    torch.set_num_threads(1)
    dataset = pb.load_dataset("fashion-mnist", "test", limit=samples)
    for name, adversarial in (("trained on natural images", None), ("trained on adversarial ones", 8 / 255)):
        yield compare(name, trained(adversarial), dataset, rounds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", help="a run folder, or any other source of a model")
    parser.add_argument("--data", default="fashion-mnist", help="with --run: images that it takes")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if not asked.run:
        print_table(lines(asked.samples, asked.rounds))
        return
    model = pb.load_model(asked.run)
    dataset = pb.load_dataset(
        asked.data, "test", size=model.size, channels=model.channels, limit=asked.samples
    )
    print_table([compare(model.name, model, dataset, asked.rounds)])


if __name__ == "__main__":
    main()
