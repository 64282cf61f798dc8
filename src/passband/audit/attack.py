"""What attacks left of a model's accuracy: the card's entry for each, and a card of attacks without an audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from passband.attacks.epsilon import write_epsilon
from passband.audit import parts
from passband.audit.card import (
    AttackCard,
    AttackClass,
    AttackEntry,
    AttackPoint,
    AttackSettings,
    CeilingUnderAttack,
    Clean,
)
from passband.audit.kept import Ahead, looks_of
from passband.audit.opening import check_ahead, open_shelf, open_subject
from passband.audit.pictures import PICTURES, Pictures, read_pictures
from passband.data.dataset import ImageDataset, check_dataset
from passband.display import Displayed
from passband.errors import InputError
from passband.files import read_json, write_json
from passband.instruments.attacks import AttackSearch, attack
from passband.instruments.counterexamples import Counterexamples
from passband.instruments.spectrum import DataSpectrum
from passband.robustness.evaluate import attack_rows
from passband.robustness.plan import Attacked, AttackPlan, check_plans
from passband.robustness.sanity import Finding
from passband.rows import COLUMNS, RobustnessRow, read_table, to_table
from passband.serial import write_tensors
from passband.types import Progress


@dataclass(frozen=True, eq=False)
class RobustnessAudit(Displayed):
    """A model under one or several attacks.

    Attributes:
        card: Numbers with intervals, settings and manifest.
        rows: One row a measurement, with the columns `passband.rows.COLUMNS`.
        attacks: What each attack found.
        spectrum: The data set's, to hold the perturbations' against.
    """

    card: AttackCard
    rows: pl.DataFrame
    attacks: tuple[Attacked, ...]
    spectrum: DataSpectrum

    def __repr__(self) -> str:
        """Return which model and data, the clean accuracy, and which attacks."""
        return f"RobustnessAudit({self.card.line}, {', '.join(each.label for each in self.card.attacks)})"

    def save(self, folder: Path | str) -> None:
        """Write all of it into a folder, from which `load` reads it back.

        They are `attack.json`, `rows.parquet`, `samples.parquet`, `pictures.safetensors`, and `adversarial.npz` if the
        images were kept.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "attack.json", self.card.to_dict())
        self.rows.write_parquet(folder / "rows.parquet")
        samples_table(self.attacks).write_parquet(folder / "samples.parquet")
        if any(attacked.outcome.images is not None for attacked in self.attacks):
            save_images(folder / "adversarial.npz", self.attacks, self.card.data.classes)
        without_images = tuple(_with_images(attacked, None) for attacked in self.attacks)
        write_tensors(folder / PICTURES, Pictures(spectrum=self.spectrum, attacks=without_images))

    @classmethod
    def load(cls, folder: Path | str) -> RobustnessAudit:
        """Return what `save` wrote; neither model nor data are needed.

        Raises:
            InputError: If a file is missing or damaged, or the folder was written by version 0.1, which saved no pictures.
        """
        folder = Path(folder)
        path = folder / "attack.json"
        card = AttackCard.from_dict(read_json(path), str(path))
        shown = read_pictures(folder, Pictures, card)
        attacks, images = shown.attacks, folder / "adversarial.npz"
        if images.is_file():
            attacks = load_images(images, attacks)
        return cls(card, read_table(folder / "rows.parquet", COLUMNS), attacks, shown.spectrum)


def measure_robustness(
    model: nn.Module,
    dataset: ImageDataset,
    plans: Sequence[AttackPlan],
    *,
    keep_images: bool = False,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    result_folder: Path | None = None,
    progress: Progress | None = None,
    ahead: Ahead | None = None,
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
        result_folder: As of `passband.audit`.
        progress: Called along the way.
        ahead: As of `passband.audit`.

    Raises:
        InputError: If there is no attack, or model, data and attacks do not fit together.
        MissingDependencyError: If an attack needs a library that is not installed.
    """
    check_dataset(dataset)
    if not plans:
        raise InputError("at least one attack is needed, got none")
    subject = open_subject(model, dataset, seed=seed, batch_size=batch_size, device=device, progress=progress)
    pixels, run = subject.model, subject.run
    check_plans(plans, pixels, dataset)
    check_ahead(ahead, result_folder)
    subject, _, spectrum = open_shelf(subject, result_folder)
    if ahead is not None:
        ahead(looks_of([AttackSearch.of(plan, keep_images=keep_images) for plan in plans], subject))
    attacks = tuple(attack(subject, plan, keep_images=keep_images) for plan in plans)
    most = max((attacked.outcome for attacked in attacks), key=lambda outcome: len(outcome.samples))
    clean, baselines = parts.share(most.correct), parts.baselines(most.labels, dataset)
    card = AttackCard(
        model=parts.model_entry(pixels, dataset, run),
        data=parts.data_entry(dataset, evaluated=len(most.samples)),
        notices=parts.notices(pixels, dataset, clean, baselines),
        settings=AttackSettings(seed=seed),
        clean=Clean(clean),
        baselines=baselines,
        attacks=tuple(attack_entry(attacked, dataset) for attacked in attacks),
        manifest=parts.manifest(sum(attacked.outcome.seconds for attacked in attacks), device),
    )
    rows = to_table(robustness_rows(attacks, dataset, run=run))
    return RobustnessAudit(card, rows, attacks, spectrum)


def attack_entry(
    attacked: Attacked, dataset: ImageDataset, counterexamples: Counterexamples | None = None
) -> AttackEntry:
    """Return what a card says of one attack.

    Args:
        attacked: What the attack found.
        dataset: What it was run on.
        counterexamples: Corollary 1's, to hold the attack against on the samples that both saw.
    """
    outcome, plan = attacked.outcome, attacked.plan
    points = tuple(_point(attacked, index, counterexamples) for index in range(len(outcome.epsilons)))
    return AttackEntry(
        measure=plan.measure,
        label=outcome.attack.label,
        attack=outcome.attack,
        norm=outcome.attack.norm,
        epsilons=outcome.epsilons,
        samples=len(outcome.samples),
        clean=parts.share(outcome.correct),
        points=points,
        classes=_classes(attacked, dataset),
        sanity_samples=min(plan.sanity_samples, len(outcome.samples)),
        findings=(*attacked.findings, *_held_against_ceiling(points)),
        seconds=outcome.seconds,
    )


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


def load_images(path: Path, attacks: Sequence[Attacked]) -> tuple[Attacked, ...]:
    """Return attacks with the images that `save_images` wrote of them.

    Raises:
        InputError: If the file is damaged, or of other attacks.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            images = torch.from_numpy(saved["images"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{path} cannot be read as an archive of adversarial images: {error}") from error
    shapes = [attacked.outcome.predictions.shape for attacked in attacks]
    if images.ndim != 4 or len(images) != sum(shape.numel() for shape in shapes):
        raise InputError(f"{path} does not belong to the attacks beside it: run `passband attack` again")
    parts = images.split([shape.numel() for shape in shapes])
    return tuple(
        _with_images(attacked, part.unflatten(0, shape))
        for attacked, part, shape in zip(attacks, parts, shapes, strict=True)
    )


def _with_images(attacked: Attacked, images: Tensor | None) -> Attacked:
    return replace(attacked, outcome=replace(attacked.outcome, images=images))


def _point(attacked: Attacked, index: int, counterexamples: Counterexamples | None) -> AttackPoint:
    """Return what the attack left at one of its epsilons."""
    outcome = attacked.outcome
    distance = outcome.distance[index][outcome.correct & ~outcome.robust[index]]
    return AttackPoint(
        epsilon=outcome.epsilons[index],
        accuracy=parts.share(outcome.robust[index]),
        median_distance=distance.median().item() if len(distance) else None,
        astray=int((outcome.robust & outcome.astray)[index].sum()),
        energy=tuple(outcome.radial[index].tolist()),
        ceiling=None if counterexamples is None else _ceiling(attacked, index, counterexamples),
    )


def _classes(attacked: Attacked, dataset: ImageDataset) -> tuple[AttackClass, ...]:
    """Return each class's accuracies; classes without a sample are left out."""
    outcome, found = attacked.outcome, []
    for label, name in enumerate(dataset.classes):
        members = outcome.labels == label
        if members.any():
            robust = tuple(parts.share(robust[members]) for robust in outcome.robust)
            found.append(AttackClass(name, int(members.sum()), parts.share(outcome.correct[members]), robust))
    return tuple(found)


def _ceiling(attacked: Attacked, index: int, found: Counterexamples) -> CeilingUnderAttack | None:
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
    return CeilingUnderAttack(
        value=int(possible.sum()) / count,
        measured=int(robust.sum()) / count,
        both=int((robust & possible).sum()) / count,
        missed=int((robust & reachable).sum()),
        count=count,
    )


def _held_against_ceiling(points: Sequence[AttackPoint]) -> list[Finding]:
    """Return whether the attack found all that Corollary 1 says can be found; nothing where there is no ceiling."""
    held = [(point.ceiling, point.epsilon) for point in points if point.ceiling is not None]
    if not held:
        return []
    ceiling, epsilon = max(held, key=lambda pair: pair[0].missed)
    if not ceiling.missed:
        message = (
            f"Of {ceiling.count} samples, the attack broke every one that a low-frequency component of its own within epsilon "
            "is known to break."
        )
        return [Finding("ceiling", True, message)]
    message = (
        f"At epsilon {write_epsilon(epsilon)} the attack left {ceiling.missed} of {ceiling.count} samples standing that one of "
        f"their own low-frequency components, no farther away, breaks: no more than {ceiling.both:.1%} are robust, "
        f"where it says {ceiling.measured:.1%}."
    )
    return [Finding("ceiling", False, message)]
