"""What a GPU does in a second: splits, training, probes, attacks, and several runs on it at once.

    python benchmarks/on_device.py [DEVICE] [--tiny]

The host runs ahead of a GPU, so each clock waits for it. A way that takes less than a twentieth of a second is called again and
again until it has taken that long. `benchmarks/gpu.py` puts the table on its page.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from bench import ROUNDS, Line, main, take_turns
from splits import plain_low, plain_splits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import passband as pb
from passband.attacks import PGD
from passband.data.batches import batches, choose_batch_size
from passband.data.dataset import ImageDataset, to_pixels
from passband.engine.execute import execute
from passband.engine.local import Local
from passband.engine.plan import plan_runs
from passband.engine.probe import Probe
from passband.frequency import fourier
from passband.frequency.component import lows_and_highs
from passband.frequency.fourier import low_pass, radial_mask, split_many
from passband.instruments.components import ComponentAccuracy
from passband.instruments.instrument import Subject
from passband.models.pixels import PixelModel, evaluating
from passband.robustness.evaluate import evaluate_attack
from passband.train.epoch import EpochReport

LEAST = 0.05  # seconds that are timed at once
RADII = {32: (1, 2, 4, 6, 8, 12, 16, 20), 224: (7, 14, 28, 42, 56, 84, 112, 140)}
EPSILONS, STEPS = (0.03, 0.06, 0.09), 20  # of the paper's Table 2
RUN = pb.RunConfig("phantom", batch_size=100, learning_rate=1e-4)  # section 4.2
SIDE_BY_SIDE = 4


@dataclass(frozen=True)
class Bench:
    """Where it is measured, and how much.

    Attributes:
        device: The GPU.
        tiny: A hundredth of everything, to see that it runs.
    """

    device: torch.device
    tiny: bool = False

    def count(self, many: int) -> int:
        """Return how many images stand for so many."""
        return max(many // 100, 20) if self.tiny else many

    @property
    def rounds(self) -> int:
        """How often ways take turns."""
        return 2 if self.tiny else ROUNDS

    def network(self, name: str) -> nn.Module:
        """Return a network of ten classes, with its first weights."""
        if self.tiny:
            return pb.build_model("resnet8", width=4, seed=0)
        if name == "resnet50":  # of large images
            return torchvision.models.resnet50(num_classes=10)
        return pb.build_model(name, seed=0)

    def clock(self) -> float:
        """Return the time at which the device is done with what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def lasting(self, way: Callable[[], object]) -> tuple[Callable[[], None], int]:
        """Return a way that lasts long enough to be timed, and how often it calls the one given."""
        way()
        start = self.clock()
        way()
        times = 1 if self.tiny else max(1, math.ceil(LEAST / (self.clock() - start)))

        def again() -> None:
            for _ in range(times):
                way()

        return again, times

    def rates(
        self,
        what: str,
        count: int,
        peer: str,
        theirs: Callable[[], object],
        ours: Callable[[], object],
        **settings: str,
    ) -> Line:
        """Return how many images a second two ways do, where a call of either does `count`."""
        (its, theirs_times), (mine, ours_times) = (self.lasting(way) for way in (theirs, ours))
        its, mine = take_turns(its, mine, rounds=self.rounds, clock=self.clock)
        return Line(
            what,
            peer,
            "images/s",
            tuple(count * theirs_times / seconds for seconds in its),
            tuple(count * ours_times / seconds for seconds in mine),
            **settings,
        )


def split_lines(bench: Bench) -> Iterator[Line]:
    """Yield those of splits, beside transforms of each radius and component."""
    for side, most, radii in (
        (32, 4096, (4, 8, 12, 16)),
        (32, 100, (4, 8, 12, 16)),
        (224, 64, (8, 16, 32, 64)),
    ):
        count = bench.count(most)
        images = torch.rand(count, 3, side, side, device=bench.device)
        masks = [radial_mask(side, side, radius).to(bench.device) for radius in radii]
        size = f"{count:,} x 3 x {side} x {side}"
        for peer, theirs in (
            ("fft2, ifft2 for each", lambda images=images, masks=masks: plain_splits(images, masks)),
            (
                "only the columns that are kept, as on a CPU",
                lambda images=images, radii=radii: by_columns(images, radii),
            ),
        ):
            yield bench.rates(
                f"`split_many`, {size}, r = {', '.join(map(str, radii))}, LFC and HFC",
                count,
                peer,
                theirs,
                lambda images=images, radii=radii: split_many(images, radii),
            )
        yield bench.rates(
            f"`low_pass`, {size}, r = {radii[1]}",
            count,
            "rfft2, irfft2",
            lambda images=images, masks=masks: plain_low(images, masks[1]),
            lambda images=images, radii=radii: low_pass(images, radii[1]),
        )


def by_columns(images: torch.Tensor, radii: Sequence[float]) -> object:
    """Split as a CPU does: a transform of rows, and one of those columns alone in which something is low."""
    usual = fourier._is_whole
    fourier._is_whole = lambda images: False
    try:
        return split_many(images, radii)
    finally:
        fourier._is_whole = usual


def training_lines(bench: Bench) -> Iterator[Line]:
    """Yield those of training in batches of 100, beside a plain loop, and compiled or in bfloat16 beside passband without."""
    dataset = pb.make_phantom(bench.count(10_000), subset="train", classes=10, size=32)
    for model in ("resnet8", "resnet18"):
        config = replace(RUN, model=model, epochs=bench.rounds + 1, compile=False)
        yield _beside(
            bench, f"training {model}", dataset, config, "plain loop", PlainLoop(bench, dataset, config).epoch
        )
        faster, short = {"compile": True}, {"precision": "bf16-mixed"}
        for name, changes in (
            ("compiled", faster),
            ("bfloat16", short),
            ("compiled, bfloat16", faster | short),
        ):
            first, other = train(bench, dataset, config)
            compiling, mine = train(bench, dataset, replace(config, **changes))
            yield Line(f"training {model}, {name}", "passband, neither", "images/s", other, mine)
            if changes == faster:
                what = f"the first epoch of {model}, compiling included"
                yield Line(what, "passband, not compiled", "s", (first,), (compiling,))


def _beside(
    bench: Bench,
    what: str,
    dataset: ImageDataset,
    config: pb.RunConfig,
    peer: str,
    epoch: Callable[[], float],
) -> Line:
    """Return a line in which an epoch of the peer follows each of passband's."""
    theirs: list[float] = []
    _, ours = train(bench, dataset, config, then=lambda: theirs.append(epoch()))
    return Line(what, peer, "images/s", tuple(theirs[1:]), ours)


def train(
    bench: Bench, dataset: ImageDataset, config: pb.RunConfig, then: Callable[[], object] = lambda: None
) -> tuple[float, tuple[float, ...]]:
    """Train with passband, and return how many seconds the first epoch took, and images a second in each of the others."""
    found: list[float] = []
    start, first = time.perf_counter(), []

    def after(report: EpochReport) -> None:
        first.append(time.perf_counter() - start)  # compiling included
        found.append(report.images_per_second)
        then()

    pb.train(bench.network(config.model), dataset, config, on_epoch=after, device=str(bench.device))
    return first[0], tuple(found[1:])


class PlainLoop:
    """What most scripts do: a loader with two workers and pinned memory, and a step after another."""

    def __init__(self, bench: Bench, dataset: ImageDataset, config: pb.RunConfig) -> None:
        self.bench, self.count = bench, len(dataset)
        self.model = bench.network(config.model).to(bench.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.rate)
        self.loader = DataLoader(
            TensorDataset(to_pixels(dataset.images), dataset.labels),
            batch_size=config.batch_size,
            shuffle=True,
            num_workers=2,
            persistent_workers=True,
            pin_memory=bench.device.type == "cuda",
        )

    def epoch(self) -> float:
        """Train for an epoch, and return images a second."""
        self.model.train()
        start = self.bench.clock()
        for images, labels in self.loader:
            self.optimizer.zero_grad()
            logits = self.model(images.to(self.bench.device, non_blocking=True))
            F.cross_entropy(logits, labels.to(self.bench.device, non_blocking=True)).backward()
            self.optimizer.step()
        return self.count / (self.bench.clock() - start)


def audit_lines(bench: Bench) -> Iterator[Line]:
    """Yield those of answers to components at eight radii, beside as many passes of the network alone."""
    for name, side, many in (("resnet18", 32, 10_000), ("resnet50", 224, 300)):
        dataset = pb.make_phantom(bench.count(many), classes=10, size=side)
        model = PixelModel(bench.network(name), name=name).to(bench.device).eval()
        asked = ComponentAccuracy(lows_and_highs(RADII[side]))
        shown = len(asked.shown(dataset.size))

        def passes(model: PixelModel = model, dataset: ImageDataset = dataset, shown: int = shown) -> None:
            size = choose_batch_size(None, dataset, bench.device)
            with evaluating(model):
                for part in batches(dataset, batch_size=size, device=bench.device):
                    for _ in range(shown):
                        model(part.images).argmax(1)

        def audit(
            model: PixelModel = model, dataset: ImageDataset = dataset, asked: ComponentAccuracy = asked
        ) -> None:
            asked.measure(Subject(model, dataset, "run", device=str(bench.device)))

        yield bench.rates(
            f"answers to {shown} components, {name}, {side} x {side}",
            len(dataset) * shown,
            "as many passes of the network",
            passes,
            audit,
            target=">= .95",
        )


def attack_lines(bench: Bench) -> Iterator[Line]:
    """Yield that of robust accuracy at three epsilons, beside PGD by hand at each of them."""
    train, test = (
        pb.make_phantom(bench.count(many), subset=subset, classes=10, size=32)
        for many, subset in ((10_000, "train"), (2_000, "test"))
    )
    config = replace(RUN, model="resnet18", epochs=3, learning_rate=1e-3)
    network = pb.train(bench.network("resnet18"), train, config, device=str(bench.device))
    model = PixelModel(network, name="resnet18").to(bench.device)
    steps = 2 if bench.tiny else STEPS
    yield bench.rates(
        f"PGD-{steps} at {len(EPSILONS)} epsilons, resnet18, 32 x 32",
        len(test),
        "PGD by hand, each epsilon",
        lambda: [plain_pgd(bench, model, test, epsilon, steps) for epsilon in EPSILONS],
        lambda: evaluate_attack(model, test, PGD(steps=steps), EPSILONS, device=str(bench.device)),
        target=">= 2",
    )


def plain_pgd(bench: Bench, model: nn.Module, dataset: ImageDataset, epsilon: float, steps: int) -> float:
    """Return robust accuracy as a script finds it: every image, all steps, in batches of a thousand."""
    right, length = 0, 2.5 * epsilon / steps
    for stored, labels in zip(dataset.images.split(1000), dataset.labels.split(1000), strict=True):
        images, labels = to_pixels(stored, bench.device), labels.to(bench.device)
        moved = (images + torch.empty_like(images).uniform_(-epsilon, epsilon)).clamp(0, 1)
        for _ in range(steps):
            moved.requires_grad_()
            (gradient,) = torch.autograd.grad(F.cross_entropy(model(moved), labels, reduction="sum"), moved)
            moved = moved.detach() + length * gradient.sign()
            moved = torch.max(torch.min(moved, images + epsilon), images - epsilon).clamp(0, 1)
        with torch.inference_mode():
            right += int((model(moved).argmax(1) == labels).sum())
    return right / len(dataset)


def engine_lines(bench: Bench) -> Iterator[Line]:
    """Yield that of several runs, from the start of the first process to the end of the last, beside one after another."""
    epochs, limit = (1, 200) if bench.tiny else (20, 10_000)
    configs = [
        replace(RUN, model="resnet18", width=4 if bench.tiny else None, epochs=epochs, limit=limit, seed=seed)
        for seed in range(SIDE_BY_SIDE)
    ]
    taken = []
    for workers in (1, SIDE_BY_SIDE):
        with tempfile.TemporaryDirectory() as store:
            planned = plan_runs([(config, Probe(samples=400, epochs=5)) for config in configs], Path(store))
            start = time.perf_counter()
            ended = execute(planned, engine=Local(workers), device=str(bench.device))
            taken.append((time.perf_counter() - start,))
            for one in ended.values():
                if one.status != "done":
                    raise RuntimeError(f"a run failed: {one.message}")
    one_by_one, at_once = taken
    yield Line(
        f"{SIDE_BY_SIDE} runs of resnet18, {epochs} epochs of {limit:,} images, {SIDE_BY_SIDE} at a time",
        "one after another",
        "s",
        one_by_one,
        at_once,
    )


PARTS = (split_lines, training_lines, audit_lines, attack_lines, engine_lines)


def lines(device: str = "cuda", *, tiny: bool = False) -> Iterator[Line]:
    """Yield all lines; none where there is no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        return
    for part in PARTS:
        yield from part(Bench(torch.device(device), tiny))


if __name__ == "__main__":
    chosen = [each for each in sys.argv[1:] if each != "--tiny"]
    main(lines(*chosen, tiny="--tiny" in sys.argv))
