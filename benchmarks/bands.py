"""How strong PGD is in a band of frequencies and linf, by how it steps and how it comes back into band and ball.

    OMP_NUM_THREADS=1 python benchmarks/bands.py

Both are convex, but projecting on one leaves the other. Each row brings the perturbation back in another way; the fewer
images stay right, the stronger the attack. "Project, cut" leaves the band, and shows what that would be worth. The last two
rows come back as passband does, and step otherwise.
"""

from __future__ import annotations

from contextlib import nullcontext
from unittest import mock

import torch

import passband as pb
from attacks import trained
from passband.attacks import PGD, ball
from passband.data.dataset import ImageDataset
from passband.frequency.component import parse_component
from passband.models.pixels import PixelModel
from passband.robustness.evaluate import evaluate_attack
from passband.types import Batch

SAMPLES = 200
BANDS = ("lfc:3", "lfc:8", "hfc:4", "hfc:8")


def shrunk(self: ball.Ball, images: Batch, change: Batch) -> Batch:
    """Project, and shrink what sticks out of the ball."""
    change = self.band.of(change)
    longest = change.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
    return (images + change * (self.radius / longest).clamp_max(1)).clamp(0, 1)


def cut(self: ball.Ball, images: Batch, change: Batch) -> Batch:
    """Project, and cut what sticks out of the ball, which leaves the band."""
    return (images + self.band.of(change).clamp(-self.radius, self.radius)).clamp(0, 1)


def along_component(self: ball.Ball, gradient: Batch) -> Batch:
    """Step along the gradient's component in the band."""
    inside = self.band.of(gradient)
    return inside / inside.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-30)


def along_sign(self: ball.Ball, gradient: Batch) -> Batch:
    """Step along the sign of the whole gradient, as without a band."""
    return gradient.sign()


WAYS = {
    "project, shrink": mock.patch.object(ball.Ball, "confined", shrunk),
    "1 turn, shrink": mock.patch.object(ball, "TURNS", 1),
    f"{ball.TURNS} turns, shrink (passband)": nullcontext(),
    "20 turns, shrink": mock.patch.object(ball, "TURNS", 20),
    "project, cut": mock.patch.object(ball.Ball, "confined", cut),
    "step along the component": mock.patch.object(ball.Ball, "ascent", along_component),
    "step along the gradient's sign": mock.patch.object(ball.Ball, "ascent", along_sign),
}


def shares(model: PixelModel, dataset: ImageDataset, epsilon: float) -> list[float]:
    """Return robust accuracy in each band."""
    return [
        evaluate_attack(model, dataset, PGD(band=parse_component(band)), (epsilon,), device="cpu")
        .robust.double()
        .mean()
        .item()
        for band in BANDS
    ]


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    dataset = pb.load_dataset("fashion-mnist", "test", limit=SAMPLES)
    print(
        f"{SAMPLES} test images of fashion-mnist, PGD-20, CPU, torch {torch.__version__}: share that stays right\n"
    )
    print(f"| network, epsilon | way | {' | '.join(BANDS)} |\n|---|---|{'--:|' * len(BANDS)}")
    for name, adversarial, parts in (("natural", None, 8), ("adversarial", 8 / 255, 24)):
        model = trained(adversarial).eval()
        for each, way in WAYS.items():
            with way:
                values = " | ".join(f"{value:.3f}" for value in shares(model, dataset, parts / 255))
            print(f"| {name}, {parts}/255 | {each} | {values} |", flush=True)


if __name__ == "__main__":
    main()
