"""The frequency card: what an audit found, as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from passband.attacks import Attack
from passband.data.dataset import ImageDataset
from passband.errors import InputError
from passband.files import read_json
from passband.frequency.fourier import corner_radius
from passband.instruments.components import Outcome
from passband.instruments.counterexamples import NORMS, Counterexamples, robust_accuracy_ceiling
from passband.models.pixels import PixelModel
from passband.robustness.plan import measure_of
from passband.stats import wilson_interval
from passband.types import Labels

SCHEMA = 1
CRITICAL_SHARES = {"half": 0.5, "most": 0.95}  # of the clean accuracy

AT_MOST = "at or below the smallest radius measured"
NOT_REACHED = "not reached within the radii measured"
NOTHING_TO_REACH = "the clean accuracy is 0"


def interval(correct: Bool[Tensor, " samples"]) -> dict[str, Any]:
    """Return a proportion with its 95% Wilson interval and the samples it rests on."""
    successes, total = int(correct.sum()), len(correct)
    low, high = wilson_interval(successes, total)
    return {"value": successes / total, "low": low, "high": high, "count": total}


def describe_model(model: PixelModel, dataset: ImageDataset, run: str) -> dict[str, Any]:
    """Return what a card says of the model; `run` is the hash of its weights."""
    return {
        "name": model.name,
        "source": model.source,
        "weights_hash": run,
        "parameters": sum(p.numel() for p in model.parameters()),
        "outputs": len(dataset.classes),
    }


def describe_data(dataset: ImageDataset, evaluated: int) -> dict[str, Any]:
    """Return what a card says of the data, of which so many samples were `evaluated`."""
    return {
        "name": dataset.name,
        "source": dataset.source,
        "subset": dataset.subset,
        "fingerprint": dataset.fingerprint,
        "samples": len(dataset),
        "evaluated": evaluated,
        "classes": list(dataset.classes),
        "height": dataset.size[0],
        "width": dataset.size[1],
        "channels": dataset.channels,
    }


def baselines(labels: Labels, dataset: ImageDataset) -> dict[str, float]:
    """Return the accuracy that needs no image: that of naming the most frequent of `labels` throughout."""
    counts = torch.bincount(labels, minlength=len(dataset.classes))
    return {"majority": counts.max().item() / len(labels)}


def curves(outcome: Outcome, radii: Sequence[float], within: Sequence[float]) -> list[dict[str, Any]]:
    """Return what the model makes of each component at each radius; the LFC holds `within` of the energy there."""
    points = []
    for component in ("lfc", "hfc"):
        for radius, energy in zip(radii, within, strict=True):
            index = outcome.of(component, radius)
            points.append(
                {
                    "component": component,
                    "radius": radius,
                    "accuracy": interval(outcome.correct[index]),
                    "agreement": interval(outcome.agrees[index]),
                    "loss": outcome.loss[index].double().mean().item(),
                    "confidence": outcome.confidence[index].double().mean().item(),
                    "energy": energy if component == "lfc" else 1 - energy,
                }
            )
    return points


def classes(outcome: Outcome, radii: Sequence[float], dataset: ImageDataset) -> list[dict[str, Any]]:
    """Return each class's accuracies; classes without a sample are left out."""
    found = []
    for label, name in enumerate(dataset.classes):
        correct = outcome.correct[:, outcome.labels == label]
        if correct.shape[1]:
            found.append(
                {
                    "name": name,
                    "count": correct.shape[1],
                    "clean": interval(correct[0]),
                    "lfc": [interval(correct[outcome.of("lfc", radius)]) for radius in radii],
                    "hfc": [interval(correct[outcome.of("hfc", radius)]) for radius in radii],
                }
            )
    return found


def critical_radius(radii: Sequence[float], accuracies: Sequence[float], threshold: float) -> dict[str, Any]:
    """Return the smallest radius at which the LFC accuracy reaches a threshold, interpolated between radii.

    Returns:
        `{"radius": number or None, "note": None or why it is not a plain number}`.

    Example:
        >>> critical_radius([4, 8], [0.2, 0.6], threshold=0.4)
        {'radius': 6.0, 'note': None}
    """
    if threshold <= 0:
        return {"radius": None, "note": NOTHING_TO_REACH}
    for index, (radius, value) in enumerate(zip(radii, accuracies, strict=True)):
        if value >= threshold:
            if index == 0:
                return {"radius": float(radius), "note": AT_MOST}
            before, below = radii[index - 1], accuracies[index - 1]
            return {
                "radius": before + (radius - before) * (threshold - below) / (value - below),
                "note": None,
            }
    return {"radius": None, "note": NOT_REACHED}


def area(radii: Sequence[float], accuracies: Sequence[float]) -> float:
    """Return the mean accuracy over the measured range of radii, by trapezoids; with one radius, that accuracy."""
    if len(radii) == 1:
        return accuracies[0]
    x, y = torch.tensor(radii, dtype=torch.float64), torch.tensor(accuracies, dtype=torch.float64)
    return (torch.trapezoid(y, x) / (x[-1] - x[0])).item()


def followers(
    found: Bool[Tensor, "radii samples"],
    expected: Float[Tensor, " radii"],
    radii: Sequence[float],
    eligible: int,
) -> dict[str, Any]:
    """Return how many images follow the HFC (Figure 2), and how many would by chance; `eligible` are right as a whole."""
    counts = zip(radii, found.sum(dim=1).tolist(), expected.tolist(), strict=True)
    return {
        "pairs": int(found.sum()),
        "samples": int(found.any(dim=0).sum()),
        "eligible": eligible,
        "by_radius": [
            {
                "radius": radius,
                "count": count,
                "fraction": count / eligible if eligible else 0.0,
                "expected": by_chance,
            }
            for radius, count, by_chance in counts
        ],
    }


def ceiling(found: Counterexamples) -> dict[str, Any]:
    """Return Corollary 1's bound by epsilon: in steps of 1/255 for Linf, of a 64th of the largest distance for L2."""
    summary: dict[str, Any] = {
        "samples": len(found.samples),
        "correct": int(found.correct.sum()),
        "clean": found.correct.double().mean().item(),
        "radii": found.radii,
    }
    for norm in NORMS:
        distance = found.distance[norm]
        finite = distance[distance.isfinite()]
        largest = finite.max().item() if len(finite) else 1.0
        step = 1 / 255 if norm == "linf" else largest / 64
        epsilons = [step * k for k in range(int(largest / step) + 2)]
        values = robust_accuracy_ceiling(found.correct, distance, epsilons).tolist()
        summary[norm] = [{"epsilon": e, "accuracy": a} for e, a in zip(epsilons, values, strict=True)]
        summary[f"median_{norm}"] = finite.median().item() if len(finite) else None
        summary["fooled"] = len(finite)  # the same samples in either norm
    return summary


def default_radii(size: tuple[int, int]) -> list[float]:
    """Return about eight radii from 1 to near the corner, scaled to the image's size.

    At 32x32 pixels they are 1, 2, 4, 6, 8, 12, 16, 20, among them those of the paper.

    Example:
        >>> default_radii((32, 32)), default_radii((224, 224))
        ([1, 2, 4, 6, 8, 12, 16, 20], [1, 7, 14, 28, 42, 56, 84, 112, 140])
    """
    corner = corner_radius(*size)
    scale = corner / corner_radius(32, 32)
    chosen = {1, *(round(radius * scale) for radius in (1, 2, 4, 6, 8, 12, 16, 20))}
    return sorted(radius for radius in chosen if 0 < radius < corner) or [0]


def attacks_of(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a card says of each attack; none where it was written before cards had attacks."""
    return card.get("robustness") or []


def read_card(path: Path) -> dict[str, Any]:
    """Read a frequency card from its file, or from the folder of an audit.

    Raises:
        InputError: If there is none, or the file is something else.
    """
    path = path / "card.json" if path.is_dir() else path
    card = read_json(path)
    if not isinstance(card, dict) or card.get("kind") != "audit":
        raise InputError(
            f"{path} is not a frequency card. Give the card.json, or the folder, of `passband audit`."
        )
    if card.get("schema") != SCHEMA:
        raise InputError(
            f"{path} has schema {card.get('schema')!r}, this passband reads {SCHEMA}. Audit again."
        )
    for entry in attacks_of(
        card
    ):  # version 0.1 wrote bands as low:8, and settings that an attack does not have
        attack = Attack.from_dict(entry["attack"])
        entry |= {"attack": attack.to_dict(), "measure": measure_of(attack)}
    return card
