"""`audit`: which spatial frequencies a classifier uses, on which images, and what follows for its robustness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn

from passband.audit import card as cards
from passband.audit.attack import entry, robustness_rows, samples_table
from passband.audit.gate import Verdict, check, parse_requirement
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device, describe_environment
from passband.errors import InputError
from passband.files import write_json
from passband.frequency.fourier import corner_radius, split_many
from passband.frequency.spectrum import energy_within
from passband.instruments.components import Outcome, outcome_rows, probe_components
from passband.instruments.counterexamples import NORMS, Counterexamples, find_counterexamples
from passband.instruments.flips import Panel, clearest, expected_followers, find_followers, make_panels
from passband.instruments.spectrum import DataSpectrum, measure_spectrum
from passband.models.pixels import as_pixel_model
from passband.models.weights import weights_hash
from passband.robustness.plan import Attacked, AttackPlan, check_plans, run_plan
from passband.rows import RobustnessRow, to_table
from passband.types import Amplitude, Progress


@dataclass(frozen=True, eq=False)
class Strip:
    """One image at growing radii, to show a reader what the components are.

    Attributes:
        label: The name of its class.
        original: The image, [0, 1] pixels (channels, height, width).
        radii: Cut-offs, shaped (radii,).
        low: Its LFC at each, not clipped, shaped (radii, channels, height, width).
        high: Its HFC at each, signed, shaped likewise.
    """

    label: str
    original: Float[Tensor, "channels height width"]
    radii: tuple[float, ...]
    low: Float[Tensor, "radii channels height width"]
    high: Float[Tensor, "radii channels height width"]


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit found.

    Attributes:
        card: The frequency card: numbers with intervals, settings and manifest, ready for JSON.
        rows: One row a measurement, with the columns `passband.rows.COLUMNS`.
        samples: One row a sample and condition, with the columns `passband.rows.SAMPLE_COLUMNS`.
        counterexamples: For each sample the nearest LFC that changes its prediction; None if not asked for.
        panels: Figure 2's clearest images, at most eight.
        strip: One image at growing radii.
        spectrum: The data set's.
        attacks: What each attack that was asked for found.
    """

    card: dict[str, Any]
    rows: pl.DataFrame
    samples: pl.DataFrame
    counterexamples: Counterexamples | None
    panels: tuple[Panel, ...]
    strip: Strip
    spectrum: DataSpectrum
    attacks: tuple[Attacked, ...] = ()

    def save(self, folder: Path | str) -> None:
        """Write the card and the tables into a folder.

        They are `card.json`, `rows.parquet` and `samples.parquet`; `counterexamples.parquet` where the ceiling, and
        `attacks.parquet` where attacks were asked for.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "card.json", self.card)
        self.rows.write_parquet(folder / "rows.parquet")
        self.samples.write_parquet(folder / "samples.parquet")
        if (found := self.counterexamples) is not None:
            columns = {"sample": found.samples.numpy(), "correct": found.correct.numpy()}
            for norm in NORMS:
                columns |= {norm: found.distance[norm].numpy(), f"{norm}_radius": found.radius[norm].numpy()}
            pl.DataFrame(columns).write_parquet(folder / "counterexamples.parquet")
        if self.attacks:
            samples_table(self.attacks).write_parquet(folder / "attacks.parquet")

    def check(self, requirement: str) -> Verdict:
        """Say whether a requirement such as `"lfc@8 >= 0.6"` is met: see `passband.audit.gate`.

        Raises:
            InputError: If it cannot be read, or asks for what was not measured.
        """
        return check(parse_requirement(requirement), self.card, self.counterexamples)


def audit(
    model: nn.Module,
    dataset: ImageDataset,
    *,
    radii: Sequence[float] | None = None,
    attacks: Sequence[AttackPlan] = (),
    amplitude: Amplitude = "max",
    precision: float | None = None,
    ceiling_samples: int | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Audit:
    """Measure which spatial frequencies a classifier uses.

    Args:
        model: A classifier of [0, 1] pixels; `passband.load_model` returns one.
        dataset: Labelled images of the size that the model takes.
        radii: Cut-offs in cycles per image, below the corner; None chooses about eight from the size.
        attacks: Attacks to run, each at its epsilons, on the samples that were evaluated; the model needs gradients.
        amplitude: What is done to a component before the model sees it: see `passband.rescale`. Corollary 1
            always clips, since a counterexample must be an image.
        precision: Stop as soon as every accuracy's 95% interval is narrower than this; None uses every sample.
        ceiling_samples: How many samples Corollary 1's ceiling is computed on; None takes all that were
            evaluated, 0 leaves it out. It is the slowest part on large images, with one radius a pixel.
        batch_size: Images at a time; it does not change the result. None chooses by size and device.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`; the model is moved there.
        seed: Draws the order of the samples where `precision` is given, and the random starts of attacks.
        progress: Called along the way.

    Returns:
        The audit: `.card`, `.rows`, `.samples`, `.save(folder)`, `.check("lfc@8 >= 0.6")`.

    Raises:
        InputError: If model, data and settings do not fit together.
        MissingDependencyError: If an attack needs a library that is not installed.

    Source:
        Wang et al. 2020: section 3.1, Figure 2 and Corollary 1; section 6 for the attacks.
    """
    if ceiling_samples is not None and ceiling_samples < 0:
        raise InputError(f"ceiling_samples must be >= 0, got {ceiling_samples}")
    pixels = as_pixel_model(model)
    check_plans(attacks, pixels, dataset)
    chosen = cards.default_radii(dataset.size) if radii is None else sorted(radii)
    outcome = probe_components(
        pixels,
        dataset,
        chosen,
        amplitude=amplitude,
        precision=precision,
        batch_size=batch_size,
        device=device,
        seed=seed,
        progress=progress,
    )
    counterexamples = None
    if ceiling_samples != 0:
        counterexamples = find_counterexamples(
            pixels,
            dataset,
            order=outcome.samples[:ceiling_samples],
            batch_size=batch_size,
            device=device,
            progress=progress,
        )
    attacked = tuple(
        run_plan(
            pixels,
            dataset,
            plan,
            indices=outcome.samples,
            batch_size=batch_size,
            device=device,
            seed=seed,
            progress=progress,
        )
        for plan in attacks
    )
    spectrum = measure_spectrum(dataset, device=device)
    found = find_followers(outcome, chosen)
    within = energy_within(torch.fft.ifftshift(spectrum.power), chosen)
    pairs = [(int(outcome.samples[row]), radius) for row, radius in clearest(outcome, chosen, found, within)]
    run = weights_hash(pixels)
    summary = {
        "kind": "audit",
        "schema": cards.SCHEMA,
        "model": cards.describe_model(pixels, dataset, run),
        "data": cards.describe_data(dataset, evaluated=len(outcome.samples)),
        "settings": {
            "amplitude": amplitude,
            "geometry": "index",
            "inclusive": True,
            "radii": chosen,
            "corner": corner_radius(*dataset.size),
            "precision": precision,
            "seed": seed,
        },
        **_findings(outcome, chosen, dataset, within),
        "hfc_followers": cards.followers(
            found, expected_followers(outcome, chosen), chosen, eligible=int(outcome.correct[0].sum())
        ),
        "ceiling": None if counterexamples is None else cards.ceiling(counterexamples),
        "robustness": [entry(each, dataset, counterexamples) for each in attacked],
        "traces": spectrum.traces.to_dict(),
        "manifest": {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": outcome.seconds,
            "images_per_second": outcome.predictions.numel() / outcome.seconds,
            "environment": describe_environment(choose_device(device)),
        },
    }
    rows = [
        *outcome_rows(outcome, dataset, run=run),
        *_ceiling_rows(counterexamples, summary),
        *robustness_rows(attacked, dataset, run=run),
    ]
    return Audit(
        card=summary,
        rows=to_table(rows),
        samples=outcome.to_table(),
        counterexamples=counterexamples,
        panels=make_panels(pixels, dataset, pairs, amplitude=amplitude, device=choose_device(device)),
        strip=_strip(dataset, outcome, pairs, chosen),
        spectrum=spectrum,
        attacks=attacked,
    )


def _findings(
    outcome: Outcome, radii: Sequence[float], dataset: ImageDataset, within: Tensor
) -> dict[str, Any]:
    """Return the parts of the card that are computed from the model's answers."""
    clean = cards.interval(outcome.correct[0])
    points = cards.curves(outcome, radii, within.tolist())
    accuracies = {
        component: [p["accuracy"]["value"] for p in points if p["component"] == component]
        for component in ("lfc", "hfc")
    }
    return {
        "clean": {
            "accuracy": clean,
            "loss": outcome.loss[0].double().mean().item(),
            "confidence": outcome.confidence[0].double().mean().item(),
        },
        "baselines": cards.baselines(outcome.labels, dataset),
        "curves": points,
        "classes": cards.classes(outcome, radii, dataset),
        "critical_radius": {
            name: cards.critical_radius(radii, accuracies["lfc"], share * clean["value"])
            for name, share in cards.CRITICAL_SHARES.items()
        },
        "area": {component: cards.area(radii, values) for component, values in accuracies.items()},
    }


def _ceiling_rows(found: Counterexamples | None, card: dict[str, Any]) -> list[RobustnessRow]:
    if found is None:
        return []
    return [
        RobustnessRow(
            run=card["model"]["weights_hash"],
            subset=card["data"]["subset"],
            norm=norm,
            epsilon=point["epsilon"],
            metric="accuracy-ceiling",
            value=point["accuracy"],
            count=len(found.samples),
        )
        for norm in NORMS
        for point in card["ceiling"][norm]
    ]


def _strip(
    dataset: ImageDataset, outcome: Outcome, pairs: list[tuple[int, float]], radii: Sequence[float]
) -> Strip:
    """Return the clearest of Figure 2's images at growing radii; else one that is predicted right; else the first."""
    first_right = int(outcome.samples[outcome.correct[0].int().argmax()])
    sample = pairs[0][0] if pairs else first_right
    image = to_pixels(dataset.images[sample])
    low, high = split_many(image, radii)
    return Strip(dataset.classes[dataset.labels[sample]], image, tuple(radii), low, high)
