"""What Corollary 1's search costs beside a plain program's, and what its bounded form gives away.

    OMP_NUM_THREADS=1 python benchmarks/ceiling.py
    OMP_NUM_THREADS=1 python benchmarks/ceiling.py --details
    OMP_NUM_THREADS=1 python benchmarks/ceiling.py --model timm:tf_efficientnet_lite0 --weights FILE --match-weights order \
        --class-indices 0,217,482,491,497,566,569,571,574,701 --data parquet:PATH/imagenette-224 --samples 30

Without a model it trains a small network on the built-in Fashion-MNIST, at 32x32 pixels. The plain program, in a process of its
own, shows the network every LFC of all images that it is right on, in batches, as Corollary 1 is written; it finds the same
distances. How far passband's exact search is from what it cannot go below is its last peer: forward passes of as many images as
it has to show. Processor time, one thread.

With `--details`, or with a model, the components of an audit, the bounded and the exact search look at the same images in turn.
From the seconds an image follows what an audit of 1,000 images takes, whose bounded search looks at 100 of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from apart import in_turns
from bench import Line
from bench import main as print_table

import passband as pb
from passband.data.batches import choose_batch_size
from passband.data.dataset import ImageDataset, to_pixels
from passband.frequency.fourier import corner_radius, radial_mask
from passband.instruments.components import ComponentAccuracy, default_radii
from passband.instruments.counterexamples import (
    BOUNDED_SAMPLES,
    NORMS,
    Counterexamples,
    find_counterexamples,
    robust_accuracy_ceiling,
)
from passband.instruments.instrument import Subject
from passband.memory import kept
from passband.models.pixels import PixelModel
from passband.train.config import RunConfig
from passband.train.loop import train

SAMPLES, ROUNDS = 500, 5
BATCH = 100  # of the plain program
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


def by_plain_program(model: PixelModel, data: ImageDataset) -> tuple[torch.Tensor, float]:
    """Return the distances, shaped (norms, images), that a loop over all radii finds, and the seconds it took."""
    torch.set_num_threads(1)
    start = time.process_time()
    network, found = model.body.eval(), []
    with torch.no_grad():
        for images, labels in zip(data.images.split(BATCH), data.labels.split(BATCH), strict=True):
            pixels = images / 255
            right = network(pixels).argmax(dim=1) == labels
            nearest = torch.full((2, len(pixels)), torch.inf)
            pixels, labels = pixels[right], labels[right]
            for radius in range(int(corner_radius(*data.size)) + 1):
                mask = radial_mask(*data.size, radius)
                low = torch.fft.ifft2(torch.fft.fft2(pixels) * mask).real.clamp(0, 1)
                changed = network(low).argmax(dim=1) != labels
                change = (pixels - low).flatten(1)
                distance = torch.stack([change.norm(dim=1), change.abs().amax(dim=1)])
                distance[:, ~changed] = torch.inf
                nearest[:, right] = torch.minimum(nearest[:, right], distance)
            found.append(nearest)
    return torch.cat(found, dim=1), time.process_time() - start


def by_passband(
    model: PixelModel, data: ImageDataset, radii: tuple[float, ...] | None = None
) -> tuple[Counterexamples, float]:
    """Return what a search finds, and the seconds it took."""
    return timed(lambda: find_counterexamples(model, data, radii=radii, device="cpu"))


def lines() -> Iterator[Line]:
    """Yield the exact search beside a plain one and beside forward passes, and the bounded one beside the exact one."""
    torch.set_num_threads(1)
    model = trained(32).eval()
    data = pb.load_dataset("fashion-mnist", "test", size=model.size, limit=SAMPLES)
    theirs, exact, its, mine = in_turns(by_plain_program, by_passband, model, data, rounds=ROUNDS)
    ours = torch.stack([exact.distance[norm] for norm in NORMS])
    torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-5)
    what = f"Corollary 1's exact search, {SAMPLES} images of 32x32, resnet8"
    yield Line(what, "every LFC of each in a plain loop", "s of a processor", its, mine, "<= .33")

    size = choose_batch_size(None, data, torch.device("cpu"))
    images = to_pixels(data.images[:size])
    shown = exact.shown + len(data)

    def forward() -> None:
        with kept(), torch.inference_mode():
            for _ in range(shown // size):
                model(images)

    pairs = [(timed(forward)[1], by_passband(model, data)[1]) for _ in range(ROUNDS)]
    yield Line(
        what,
        f"forward passes of the {shown:,} images it shows",
        "s of a processor",
        *zip(*pairs, strict=True),
    )
    radii = default_radii(data.size)
    pairs = [(by_passband(model, data)[1], by_passband(model, data, radii)[1]) for _ in range(ROUNDS)]
    yield Line(
        f"its bounded search, {len(radii)} radii",
        "the exact search",
        "s of a processor",
        *zip(*pairs, strict=True),
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
    parser.add_argument("--details", action="store_true", help="compare both searches with components")
    parser.add_argument("--weights")
    parser.add_argument("--match-weights", default="name")
    parser.add_argument("--class-indices")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--samples", type=int, default=1000)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if not (asked.model or asked.details):
        print_table(lines())
        return
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
