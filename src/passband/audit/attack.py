"""What attacks left of a model's accuracy: the card's entry for each, and a record of attacks without an audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import nn

from passband.attacks.epsilon import write_epsilon
from passband.audit import card as cards
from passband.data.dataset import ImageDataset
from passband.environment import choose_device, describe_environment
from passband.errors import InputError
from passband.files import write_json
from passband.instruments.counterexamples import Counterexamples
from passband.instruments.spectrum import DataSpectrum, measure_spectrum
from passband.models.pixels import as_pixel_model
from passband.models.weights import weights_hash
from passband.robustness.evaluate import attack_rows
from passband.robustness.plan import Attacked, AttackPlan, check_plans, run_plan
from passband.robustness.sanity import Finding
from passband.rows import RobustnessRow, to_table
from passband.types import Progress

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class RobustnessAudit:
    """A model under one or several attacks.

    Attributes:
        card: Numbers with intervals, settings and manifest, ready for JSON.
        rows: One row a measurement, with the columns `passband.rows.COLUMNS`.
        attacks: What each attack found.
        spectrum: The data set's, to hold the perturbations' against.
    """

    card: dict[str, Any]
    rows: pl.DataFrame
    attacks: tuple[Attacked, ...]
    spectrum: DataSpectrum

    def save(self, folder: Path | str) -> None:
        """Write `attack.json`, `rows.parquet`, `samples.parquet`, and `adversarial.npz` if the images were kept."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "attack.json", self.card)
        self.rows.write_parquet(folder / "rows.parquet")
        samples_table(self.attacks).write_parquet(folder / "samples.parquet")
        if any(attacked.outcome.images is not None for attacked in self.attacks):
            save_images(folder / "adversarial.npz", self.attacks, self.card["data"]["classes"])


def measure_robustness(
    model: nn.Module,
    dataset: ImageDataset,
    plans: Sequence[AttackPlan],
    *,
    keep_images: bool = False,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> RobustnessAudit:
    """Attack a classifier, and say what is left of its accuracy and how far that can be trusted.

    Args:
        model: A classifier of [0, 1] pixels, with gradients.
        dataset: Labelled images of the size that the model takes.
        plans: The attacks, each at its epsilons.
        keep_images: Whether all adversarial images are kept in memory, and saved with the rest.
        batch_size: Images at a time; None chooses by size and device.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`; the model is moved there.
        seed: Draws random starts.
        progress: Called along the way.

    Raises:
        InputError: If there is no attack, or model, data and attacks do not fit together.
        MissingDependencyError: If an attack needs a library that is not installed.
    """
    if not plans:
        raise InputError("at least one attack is needed, got none")
    pixels = as_pixel_model(model)
    check_plans(plans, pixels, dataset)
    attacks = tuple(
        run_plan(
            pixels,
            dataset,
            plan,
            keep_images=keep_images,
            batch_size=batch_size,
            device=device,
            seed=seed,
            progress=progress,
        )
        for plan in plans
    )
    run = weights_hash(pixels)
    most = max((attacked.outcome for attacked in attacks), key=lambda outcome: len(outcome.samples))
    card = {
        "kind": "attack",
        "schema": SCHEMA,
        "model": cards.describe_model(pixels, dataset, run),
        "data": cards.describe_data(dataset, evaluated=len(most.samples)),
        "settings": {"seed": seed},
        "clean": {"accuracy": cards.interval(most.correct)},
        "baselines": cards.baselines(most.labels, dataset),
        "robustness": [entry(attacked, dataset) for attacked in attacks],
        "manifest": {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": sum(attacked.outcome.seconds for attacked in attacks),
            "environment": describe_environment(choose_device(device)),
        },
    }
    rows = to_table(robustness_rows(attacks, dataset, run=run))
    return RobustnessAudit(card, rows, attacks, measure_spectrum(dataset, device=device))


def entry(
    attacked: Attacked, dataset: ImageDataset, counterexamples: Counterexamples | None = None
) -> dict[str, Any]:
    """Return what a card says of one attack.

    Args:
        attacked: What the attack found.
        dataset: What it was run on.
        counterexamples: Corollary 1's, to hold the attack against on the samples that both saw.
    """
    outcome, plan = attacked.outcome, attacked.plan
    points = []
    for index, epsilon in enumerate(outcome.epsilons):
        broken = outcome.correct & ~outcome.robust[index]
        distance = outcome.distance[index][broken]
        points.append(
            {
                "epsilon": epsilon,
                "accuracy": cards.interval(outcome.robust[index]),
                "median_distance": distance.median().item() if len(distance) else None,
                "astray": int((outcome.robust & outcome.astray)[index].sum()),
                "energy": outcome.radial[index].tolist(),
                "ceiling": None if counterexamples is None else _ceiling(attacked, index, counterexamples),
            }
        )
    return {
        "measure": plan.measure,
        "label": outcome.attack.label,
        "attack": outcome.attack.to_dict(),
        "norm": outcome.attack.norm,
        "epsilons": list(outcome.epsilons),
        "samples": len(outcome.samples),
        "clean": cards.interval(outcome.correct),
        "points": points,
        "classes": _classes(attacked, dataset),
        "sanity_samples": min(plan.sanity_samples, len(outcome.samples)),
        "findings": [asdict(finding) for finding in (*attacked.findings, *_held_against_ceiling(points))],
        "seconds": outcome.seconds,
    }


def robustness_rows(
    attacks: Sequence[Attacked], dataset: ImageDataset, *, run: str
) -> Iterator[RobustnessRow]:
    """Yield the rows of several attacks."""
    for attacked in attacks:
        yield from attack_rows(attacked.outcome, dataset, run=run)


def samples_table(attacks: Sequence[Attacked]) -> pl.DataFrame:
    """Return one row a sample, attack and epsilon, with the columns `passband.rows.ATTACK_COLUMNS`."""
    return pl.concat(attacked.to_table() for attacked in attacks)


def save_images(path: Path, attacks: Sequence[Attacked], classes: Sequence[str]) -> None:
    """Write the images that samples were left with as an archive of NumPy arrays, one entry an image.

    It holds `images` (float32, [0, 1], shaped (entries, channels, height, width)), and for each entry its `labels`,
    `samples` (position in the data set), `epsilons`, `attacks` (the attack's label) and `norms`; and the names of the
    `classes`. Nothing is rounded: where a sample was broken, the entry is what broke it.
    """
    parts = [
        (outcome, epsilon, images)
        for outcome in (attacked.outcome for attacked in attacks)
        if outcome.images is not None
        for epsilon, images in zip(outcome.epsilons, outcome.images, strict=True)
    ]
    np.savez(
        path,
        images=torch.cat([images for _, _, images in parts]).numpy(),
        labels=torch.cat([outcome.labels for outcome, _, _ in parts]).numpy(),
        samples=torch.cat([outcome.samples for outcome, _, _ in parts]).numpy(),
        epsilons=np.concatenate([np.full(len(images), epsilon) for _, epsilon, images in parts]),
        attacks=np.concatenate([np.full(len(images), outcome.attack.label) for outcome, _, images in parts]),
        norms=np.concatenate([np.full(len(images), outcome.attack.norm) for outcome, _, images in parts]),
        classes=np.array(classes),
    )


def _classes(attacked: Attacked, dataset: ImageDataset) -> list[dict[str, Any]]:
    """Return each class's accuracies; classes without a sample are left out."""
    outcome, found = attacked.outcome, []
    for label, name in enumerate(dataset.classes):
        members = outcome.labels == label
        if members.any():
            found.append(
                {
                    "name": name,
                    "count": int(members.sum()),
                    "clean": cards.interval(outcome.correct[members]),
                    "robust": [cards.interval(robust[members]) for robust in outcome.robust],
                }
            )
    return found


def _ceiling(attacked: Attacked, index: int, found: Counterexamples) -> dict[str, Any] | None:
    """Return Corollary 1's ceiling, and what the attack left, on the samples that both saw; None if there are none.

    A sample that an LFC within epsilon breaks and the attack does not is one that the attack missed. An attack that is
    confined to a band may not use that LFC: no ceiling applies to it.
    """
    outcome = attacked.outcome
    both = torch.isin(found.samples, outcome.samples)
    if outcome.attack.band is not None or not both.any():
        return None
    reachable = found.distance[outcome.attack.norm][both] <= outcome.epsilons[index]
    place = {sample: row for row, sample in enumerate(outcome.samples.tolist())}
    robust = outcome.robust[index][[place[sample] for sample in found.samples[both].tolist()]]
    possible = found.correct[both] & ~reachable
    count = len(robust)
    return {
        "value": int(possible.sum()) / count,
        "measured": int(robust.sum()) / count,
        "both": int((robust & possible).sum()) / count,
        "missed": int((robust & reachable).sum()),
        "count": count,
    }


def _held_against_ceiling(points: Sequence[dict[str, Any]]) -> list[Finding]:
    """Return whether the attack found all that Corollary 1 says can be found; nothing where there is no ceiling."""
    held = [point for point in points if point["ceiling"] is not None]
    if not held:
        return []
    worst = max(held, key=lambda point: point["ceiling"]["missed"])
    ceiling, epsilon = worst["ceiling"], write_epsilon(worst["epsilon"])
    if not ceiling["missed"]:
        message = "The attack broke every sample that one of its own low-frequency components within epsilon breaks."
        return [Finding("ceiling", True, message)]
    message = (
        f"At epsilon {epsilon} the attack left {ceiling['missed']} of {ceiling['count']} samples standing that one of "
        f"their own low-frequency components, no farther away, breaks: no more than {ceiling['both']:.1%} are robust, "
        f"where it says {ceiling['measured']:.1%}."
    )
    return [Finding("ceiling", False, message)]
