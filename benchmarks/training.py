"""How fast training is, beside a plain loop written by hand with a DataLoader, and beside what the machine multiplies at.

    OMP_NUM_THREADS=1 python benchmarks/training.py

The plain loop has a process of its own, since passband changes how a process's memory is handled while it trains. Both train the
same network on the same images, in turns. Two peaks stand beside a step's operations, which torch counts, forward and back: that
of a product of two large matrices, and that of a large 3x3 convolution, for which torch has another library.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
import torch.nn.functional as F
from bench import Line, main, take_turns
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from passband.data.dataset import ImageDataset, to_pixels
from passband.data.phantom import make_phantom
from passband.models.catalog import build_model
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig
from passband.train.epoch import EpochReport
from passband.train.loop import train

SAMPLES = {"lenet": 6000, "resnet8": 1000, "resnet14": 600, "resnet32": 400}
"""Images of an epoch: enough that what begins and ends it is little."""
CONFIG = RunConfig("phantom", batch_size=100, epochs=2, learning_rate=1e-3)
ROUNDS = 5
SIDE, CHANNELS, BATCH = 2048, 256, 64  # of the matrices, and of the convolution of 16x16 pixels


def by_hand(name: str, dataset: ImageDataset) -> Iterator[float]:
    """Train epoch after epoch as most scripts do, and yield images a second."""
    import time

    model = build_model(name, num_classes=len(dataset.classes), seed=0)
    loader = DataLoader(
        TensorDataset(to_pixels(dataset.images), dataset.labels), batch_size=CONFIG.batch_size, shuffle=True
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=CONFIG.rate)
    while True:
        start = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        yield len(dataset) / (time.perf_counter() - start)


def by_passband(dataset: ImageDataset, config: RunConfig) -> float:
    """Train with the library, and return images a second of the second epoch: in the first one memory is new."""
    model = build_model(config.model, num_classes=len(dataset.classes), seed=0)
    reports: list[EpochReport] = []
    train(model, dataset, config, on_epoch=reports.append, device="cpu")
    return reports[-1].images_per_second


@contextmanager
def beside(name: str) -> Iterator[Callable[[], float]]:
    """Return what trains an epoch by hand in a process of its own, and returns images a second."""
    command = [sys.executable, __file__, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def epoch() -> float:
            print("go", file=process.stdin, flush=True)
            return float(process.stdout.readline())

        yield epoch
        process.stdin.close()


def serve(name: str) -> None:
    """Train an epoch by hand for each line that comes in, and print images a second."""
    for _, rate in zip(sys.stdin, by_hand(name, images(SAMPLES[name])), strict=False):
        print(rate, flush=True)


def images(count: int) -> ImageDataset:
    """Return what is trained on."""
    return make_phantom(count, subset="train", size=32)


def compare(
    what: str, peer: str, its: Callable[[], float], ours: Callable[[], float], target: str = ""
) -> Line:
    """Return a line of two ways that say how fast they were."""
    its(), ours()  # warm up
    rates = [(its(), ours()) for _ in range(ROUNDS)]
    peers, mine = zip(*rates, strict=True)
    return Line(what, peer, "images/s", peers, mine, target)


def operations(name: str) -> float:
    """Return the floating-point operations of training on one image."""
    model, batch = build_model(name, seed=0), torch.rand(10, 3, 32, 32)
    with FlopCounterMode(display=False) as counter:
        model(batch).sum().backward()
    return counter.get_total_flops() / len(batch)


def peaks(rounds: int = ROUNDS) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the operations a second of a large product of matrices, and of a large convolution, round by round."""
    matrix = torch.rand(SIDE, SIDE)
    pixels = torch.rand(BATCH, CHANNELS, 16, 16).contiguous(memory_format=torch.channels_last)
    convolution = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False).to(
        memory_format=torch.channels_last
    )
    with torch.inference_mode():
        product, convolved = take_turns(lambda: matrix @ matrix, lambda: convolution(pixels), rounds=rounds)
    return (
        tuple(2 * SIDE**3 / seconds for seconds in product),
        tuple(2 * BATCH * 16 * 16 * 9 * CHANNELS**2 / seconds for seconds in convolved),
    )


def shares(name: str, target: str) -> Iterator[Line]:
    """Yield the operations a second of training beside those of either peak in the same moment."""
    per_image, data, config = operations(name), images(SAMPLES[name]), replace(CONFIG, model=name)
    by_passband(data, config)
    rounds = []
    for _ in range(ROUNDS):
        product, convolved = (max(each) / 1e9 for each in peaks(3))
        rounds.append((product, convolved, by_passband(data, config) * per_image / 1e9))
    products, convolutions, ours = zip(*rounds, strict=True)
    for peer, its, wanted in (
        ("a product of matrices", products, target),
        (f"a 3x3 convolution of {CHANNELS} channels", convolutions, ""),
    ):
        yield Line(f"training `{name}`", peer, "GFLOP/s", its, ours, wanted)


def lines() -> Iterator[Line]:
    """Yield a line a network, then what settings cost."""
    for name, count in SAMPLES.items():
        config, data = replace(CONFIG, model=name), images(count)
        with beside(name) as epoch:
            yield compare(
                f"training `{name}`",
                "the plain loop, in its process",
                epoch,
                lambda config=config, data=data: by_passband(data, config),
                ">= 1.4",
            )
    yield from shares("resnet8", ">= .65")
    yield from shares("resnet32", ">= .75")
    for name, settings in (
        ("`--component lfc:8`", {"component": "lfc:8"}),
        ("`--component hfc:8`", {"component": "hfc:8"}),
        ("`--augment`", {"augment": True}),
        ("`--mixup 0.5`", {"mixup": 0.5}),
        ("`--precision bf16-mixed`", {"precision": "bf16-mixed"}),
        ("`--adversarial 8/255`, 10 steps", {"adversarial": Adversary(8 / 255)}),
    ):
        some = images(200 if "adversarial" in settings else 600)
        yield compare(
            f"training `resnet8` with {name}",
            "passband without",
            lambda some=some: by_passband(some, CONFIG),
            lambda some=some, settings=settings: by_passband(some, replace(CONFIG, **settings)),
        )
    for name in ("lenet", "resnet8", "resnet32"):
        config, data = replace(CONFIG, model=name), images(SAMPLES[name])
        yield compare(
            f"training `{name}` with `--compile`",
            "passband without",
            lambda config=config, data=data: by_passband(data, config),
            lambda config=config, data=data: by_passband(data, replace(config, compile=True)),
        )


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(sys.argv[1])
    else:
        main(lines())
