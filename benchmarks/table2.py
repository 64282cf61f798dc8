"""AutoAttack as Table 2 has it, after PGD, beside calling pyautoattack plainly at each epsilon.

    OMP_NUM_THREADS=1 python benchmarks/table2.py
    OMP_NUM_THREADS=1 python benchmarks/table2.py --parts

Both attack the same images of a small network that was trained on adversarial ones, on one thread, the library in a process of its
own; processor time. What withstands costs nearly all of it, either way: about 1,900 gradients and 5,900 answers an image. `--parts`
prints where passband's time goes.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from unittest import mock

import torch
from apart import robust_accuracies
from bench import Line
from bench import main as print_table

import passband as pb
from attacks import trained
from passband.attacks import PGD, AutoAttack
from passband.data.dataset import ImageDataset, to_pixels
from passband.models.pixels import PixelModel
from passband.robustness.evaluate import evaluate_attack

EPSILONS = (0.06, 0.09)
SAMPLES = 24
ROUNDS = 2
BATCH = 250  # the library's


def by_library(model: PixelModel, dataset: ImageDataset) -> tuple[list[float], float]:
    """Return pyautoattack's robust accuracies, and the seconds it took."""
    import pyautoattack

    torch.set_num_threads(1)
    start = time.process_time()
    images, labels = to_pixels(dataset.images), dataset.labels
    robust = []
    for epsilon in EPSILONS:
        attack = pyautoattack.AutoAttack(model, norm="Linf", eps=epsilon, seed=0)
        _, predictions = attack.run_standard_evaluation(images, labels, batch_size=BATCH)
        robust.append((predictions == labels).float().mean().item())
    return robust, time.process_time() - start


def by_passband(model: PixelModel, dataset: ImageDataset) -> tuple[list[float], float]:
    """Return our robust accuracies, and the seconds they took, PGD's included."""
    start = time.process_time()
    before = evaluate_attack(model, dataset, PGD(), EPSILONS, device="cpu", keep_images=True)
    outcome = evaluate_attack(model, dataset, AutoAttack(), EPSILONS, device="cpu", after=before)
    return outcome.robust.float().mean(dim=1).tolist(), time.process_time() - start


def lines() -> Iterator[Line]:
    """Yield a line."""
    torch.set_num_threads(1)
    yield robust_accuracies(
        f"PGD-20 and AutoAttack at 2 epsilons, {SAMPLES} images",
        "pyautoattack for each epsilon",
        by_library,
        by_passband,
        *subject(),
        rounds=ROUNDS,
    )


def subject() -> tuple[PixelModel, ImageDataset]:
    """Return the network and the images that both attack."""
    return trained(8 / 255).eval(), pb.load_dataset("fashion-mnist", "test", limit=SAMPLES)


def print_parts() -> None:
    """Print what each part of AutoAttack takes, and its share of passes through the network, forward and back."""
    from pyautoattack import fab_base
    from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from pyautoattack.fab_pt import FABAttack_PT
    from pyautoattack.square import SquareAttack

    spent: Counter[str] = Counter()
    part = ["PGD"]

    def timed(owner: object, name: str, what: str | None = None) -> object:
        """Return a patch with which a function's seconds are counted: for a part's `perturb`, or for what happens inside."""
        work: Callable = getattr(owner, name)

        def counted(*given: object, **named: object) -> object:
            before, start = part[0], time.process_time()
            if what in PARTS:
                part[0] = what
            found = work(*given, **named)
            inside = what in PARTS or what is None
            spent[str(what) if inside else f"{part[0]}: {what}"] += time.process_time() - start
            part[0] = before
            return found

        return mock.patch.object(owner, name, counted)

    with ExitStack() as stack:
        for owner, name, what in (
            (APGDAttack, "perturb", "APGD-CE"),
            (APGDAttack_targeted, "perturb", "APGD-T"),
            (FABAttack_PT, "perturb", "FAB-T"),
            (SquareAttack, "perturb", "Square"),
            (fab_base, "projection_linf", "projection"),
            (PixelModel, "forward", "forward"),
            (torch.autograd, "grad", "back"),
            (torch.Tensor, "backward", "back"),
        ):
            stack.enter_context(timed(owner, name, what))
        torch.set_num_threads(1)
        model, dataset = subject()
        spent.clear()
        found, seconds = by_passband(model, dataset)
    print(f"{seconds:.1f} s in all, robust accuracies {', '.join(f'{value:.3f}' for value in found)}")
    for what, took in sorted(spent.items()):
        print(f"  {what:20} {took:6.1f} s  {took / seconds:6.1%}")


PARTS = ("APGD-CE", "APGD-T", "FAB-T", "Square")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", action="store_true", help="print where passband's time goes")
    print_parts() if parser.parse_args().parts else print_table(lines())
