"""What Corollary 1's ceiling costs beside the components of an audit, and what its bounded search gives away.

    OMP_NUM_THREADS=1 python benchmarks/ceiling.py
    OMP_NUM_THREADS=1 python benchmarks/ceiling.py --model timm:tf_efficientnet_lite0 --weights FILE --match-weights order \
        --class-indices 0,217,482,491,497,566,569,571,574,701 --data parquet:PATH/imagenette-224 --samples 30

Without a model it trains a small network on the built-in Fashion-MNIST, at 32x32 pixels. Components, the bounded and the
exact search look at the same images in turn; what is measured is processor time, so that a busy machine does not matter.
From the seconds an image follows what an audit of 1,000 images takes, whose bounded search looks at 100 of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import torch

import passband as pb
from passband.data.dataset import ImageDataset
from passband.instruments.components import ComponentAccuracy, default_radii
from passband.instruments.counterexamples import (
    BOUNDED_SAMPLES,
    NORMS,
    Counterexamples,
    find_counterexamples,
    robust_accuracy_ceiling,
)
from passband.instruments.instrument import Subject
from passband.models.pixels import PixelModel
from passband.train.config import RunConfig
from passband.train.loop import train

AUDITED = 1000
EPSILONS = {"linf": [level / 255 for level in (4, 8, 16, 32, 64)], "l2": [0.5, 1, 2, 4, 8, 16, 32]}
Found = TypeVar("Found")


def timed(work: Callable[[], Found]) -> tuple[Found, float]:
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def trained(size: int) -> PixelModel:
    config = RunConfig(
        "fashion-mnist", model="resnet8", width=8, batch_norm=True, learning_rate=3e-3, epochs=4
    )
    dataset = pb.load_dataset("fashion-mnist", "train", size=(size, size), limit=4000)
    network = pb.build_model(config.model, in_channels=1, width=config.width, batch_norm=True, seed=0)
    return PixelModel(
        train(network, dataset, config, device="cpu"), name="resnet8", size=(size, size), channels=1
    )


def compare(model: PixelModel, data: ImageDataset) -> None:
    count, radii = len(data), default_radii(data.size)
    subject = Subject(model, data, "benchmark", device="cpu")
    subject.at(torch.arange(2)).read(ComponentAccuracy())  # warms up
    _, components = timed(lambda: subject.read(ComponentAccuracy()))
    bounded, quick = timed(lambda: find_counterexamples(model, data, radii=radii, device="cpu"))
    exact, slow = timed(lambda: find_counterexamples(model, data, device="cpu"))

    print(
        f"\n{model.name}, {count} images of {data.name}, {data.size[0]}x{data.size[1]} pixels, {len(radii)} radii"
    )
    print(f"  components              {components / count:8.4f} s an image")
    for name, found, seconds, looked in (
        ("bounded", bounded, quick, BOUNDED_SAMPLES),
        ("exact", exact, slow, AUDITED),
    ):
        correct = int(found.correct.sum())
        print(
            f"  ceiling, {name:8}       {seconds / count:8.4f} s an image, {found.shown / correct:5.1f} LFCs shown of each that is "
            f"right; an audit of {AUDITED:,} images, {looked:,} of them: "
            f"{1 + seconds * looked / (components * AUDITED):.2f} times its components"
        )
    loosened(bounded, exact)


def loosened(bounded: Counterexamples, exact: Counterexamples) -> None:
    for norm in NORMS:
        one, other = bounded.distance[norm], exact.distance[norm]
        both = one.isfinite() & other.isfinite()
        print(
            f"  {norm}: a counterexample of {int(one.isfinite().sum())} samples, exact of {int(other.isfinite().sum())}; the same one on "
            f"{int((bounded.radius[norm] == exact.radius[norm]).sum())}; median distance {one[one.isfinite()].median():.3f}, exact "
            f"{other[other.isfinite()].median():.3f}; on those of both, farther by {(one / other)[both].mean() - 1:.1%} in the mean"
        )
        ceilings = [
            robust_accuracy_ceiling(f.correct, f.distance[norm], EPSILONS[norm]) for f in (bounded, exact)
        ]
        for epsilon, loose, tight in zip(EPSILONS[norm], *(c.tolist() for c in ceilings), strict=True):
            print(
                f"    epsilon {epsilon:7.4f}: ceiling {loose:.3f}, exact {tight:.3f}, difference {loose - tight:.3f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a source of a model; by default a small network is trained")
    parser.add_argument("--weights")
    parser.add_argument("--match-weights", default="name")
    parser.add_argument("--class-indices")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--samples", type=int, default=1000)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.model:
        indices = asked.class_indices and [int(each) for each in asked.class_indices.split(",")]
        model = pb.load_model(
            asked.model, weights=asked.weights, match_weights=asked.match_weights, class_indices=indices
        )
    else:
        model = trained(32)
    data = pb.load_dataset(asked.data, "test", size=model.size, channels=model.channels, limit=asked.samples)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, CPU, processor time")
    compare(model, data)


if __name__ == "__main__":
    main()
