"""`audit`: which spatial frequencies a classifier uses, on which images, and what follows for its robustness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn

from passband.audit import parts
from passband.audit.asked import with_needed
from passband.audit.attack import attack_entry, robustness_rows, samples_table
from passband.audit.card import Ceiling, ClassifierCard, Settings, read_card
from passband.audit.critical import critical_radii, with_intervals
from passband.audit.gate import Checked, check, holding
from passband.audit.kept import Ahead, looks_of
from passband.audit.opening import check_ahead, open_shelf, open_subject
from passband.audit.pictures import PICTURES, ExtraReading, Pictures, read_pictures
from passband.audit.requirement import parse_requirement
from passband.brief import Brief
from passband.choices import Search
from passband.data.dataset import ImageDataset, check_dataset, to_pixels
from passband.display import Displayed
from passband.errors import InputError, UnknownNameError
from passband.files import write_json
from passband.frequency.component import Low
from passband.frequency.fourier import corner_radius, split_many
from passband.frequency.spectrum import energy_within
from passband.instruments.attacks import UnderAttack
from passband.instruments.components import Answers
from passband.instruments.counterexamples import (
    BOUNDED_SAMPLES,
    NORMS,
    Counterexamples,
    RobustnessCeiling,
)
from passband.instruments.flips import FlipExample, Flips
from passband.instruments.forecast import forecast
from passband.instruments.instrument import Instrument
from passband.instruments.spectrum import DataSpectrum
from passband.robustness.plan import Attacked, AttackPlan, check_plans
from passband.rows import COLUMNS, SAMPLE_COLUMNS, read_table, to_table
from passband.serial import write_tensors
from passband.types import Amplitude, Progress


@dataclass(frozen=True, eq=False)
class Strip(Brief):
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


@dataclass(frozen=True, eq=False, kw_only=True)
class AuditPictures(Pictures):
    """What the report of an audit shows beside its card; see `Audit`."""

    panels: tuple[FlipExample, ...]
    strip: Strip
    extra: tuple[ExtraReading, ...] = ()


@dataclass(frozen=True, eq=False)
class Audit(Displayed):
    """What an audit found.

    Attributes:
        card: The frequency card: numbers with intervals, settings and manifest.
        rows: One row a measurement, with the columns `passband.rows.COLUMNS`.
        samples: One row a sample and condition, with the columns `passband.rows.SAMPLE_COLUMNS`.
        counterexamples: For each sample the nearest LFC that changes its prediction; None if not asked for.
        panels: Figure 2's clearest images, at most eight.
        strip: One image at growing radii.
        spectrum: The data set's.
        attacks: What each attack that was asked for found.
        extra: What each other instrument that was asked for found.
    """

    card: ClassifierCard
    rows: pl.DataFrame
    samples: pl.DataFrame
    counterexamples: Counterexamples | None
    panels: tuple[FlipExample, ...]
    strip: Strip
    spectrum: DataSpectrum
    attacks: tuple[Attacked, ...] = ()
    extra: tuple[ExtraReading, ...] = ()

    def __repr__(self) -> str:
        """Return which model and data, and the clean accuracy: all else would fill screens."""
        radii = self.card.settings.radii
        return f"Audit({self.card.line}, {len(radii)} radii from {radii[0]:g} to {radii[-1]:g})"

    def save(self, folder: Path | str) -> None:
        """Write all of it into a folder, from which `load` reads it back.

        The card is `card.json`; the tables are `rows.parquet` and `samples.parquet`, `counterexamples.parquet` where the
        ceiling, and `attacks.parquet` where attacks were asked for; what the report shows beside them is
        `pictures.safetensors`.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "card.json", self.card.to_dict())
        self.rows.write_parquet(folder / "rows.parquet")
        self.samples.write_parquet(folder / "samples.parquet")
        if (found := self.counterexamples) is not None:
            counterexamples_table(found).write_parquet(folder / "counterexamples.parquet")
        if self.attacks:
            samples_table(self.attacks).write_parquet(folder / "attacks.parquet")
        shown = AuditPictures(
            panels=self.panels,
            strip=self.strip,
            spectrum=self.spectrum,
            attacks=self.attacks,
            extra=self.extra,
        )
        write_tensors(folder / PICTURES, shown)

    @classmethod
    def load(cls, folder: Path | str) -> Audit:
        """Return the audit that `save` wrote; neither model nor data are needed.

        Raises:
            InputError: If a file is missing or damaged, or the folder was written by version 0.1, which saved no pictures.
        """
        folder = Path(folder)
        card = read_card(folder / "card.json")
        shown = read_pictures(folder, AuditPictures, card)
        counterexamples = None
        if card.ceiling is not None:
            counterexamples = read_counterexamples(folder / "counterexamples.parquet", card.ceiling)
        return cls(
            card=card,
            rows=read_table(folder / "rows.parquet", COLUMNS),
            samples=read_table(folder / "samples.parquet", SAMPLE_COLUMNS),
            counterexamples=counterexamples,
            panels=shown.panels,
            strip=shown.strip,
            spectrum=shown.spectrum,
            attacks=shown.attacks,
            extra=shown.extra,
        )

    def check(self, requirement: str) -> Checked:
        """Say whether a requirement such as `"lfc@8 >= 0.6"` is met: see `passband.audit.requirement`.

        Raises:
            InputError: If it cannot be read, or asks for what was not measured: `audit(..., require=[...])` measures it.
        """
        return check(parse_requirement(requirement), self.card, self.counterexamples, self.rows)


def audit(
    model: nn.Module,
    dataset: ImageDataset,
    *,
    radii: Sequence[float] | None = None,
    attacks: Sequence[AttackPlan] = (),
    amplitude: Amplitude = "max",
    precision: float | None = None,
    ceiling: Search = "bounded",
    ceiling_samples: int | None = None,
    instruments: Sequence[Instrument] = (),
    require: Sequence[str] = (),
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    result_folder: Path | None = None,
    progress: Progress | None = None,
    expect: Callable[[dict[str, float]], None] | None = None,
    ahead: Ahead | None = None,
) -> Audit:
    """Measure which spatial frequencies a classifier uses.

    Args:
        model: A classifier of [0, 1] pixels; `passband.load_model` returns one.
        dataset: Labelled images of the size that the model takes.
        radii: Cut-offs in cycles per image, below the corner; None chooses about eight from the size.
        attacks: Attacks to run, each at its epsilons, on the samples that were evaluated; the model needs gradients.
        amplitude: What is done to a component before the model sees it: see `passband.rescale`. Corollary 1
            always clips, since a counterexample must be an image.
        precision: Take a random sample, large enough that the 95% interval of any accuracy is narrower than this; None takes
            every sample.
        ceiling: How Corollary 1's ceiling looks for the nearest LFC that changes a prediction: `"bounded"` at the radii and
            between two of them, which takes little time and bounds robust accuracy a little less tightly; `"exact"` at
            every whole radius, the slowest part on large images.
        ceiling_samples: How many samples the ceiling is computed on, drawn by the seed from those that were evaluated; 0
            leaves it out. None takes 100 where it is bounded, and all where it is exact.
        instruments: What else to look at the model with, on the samples that were evaluated:
            `passband.instruments.catalog.INSTRUMENTS` lists.
        require: Requirements that `check` will be asked about, such as `["lfc@8 >= 0.6"]`: the radii and instruments that they are on
            are measured too, and one that the audit cannot answer is refused before the work.
        batch_size: Images at a time; it does not change the result. None chooses by size and device.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`; the model is moved there.
        seed: Draws the samples where `precision` is given, those of the ceiling, and the random starts of attacks.
        result_folder: Where the audit will be saved: what is found is kept beside it until then, shard by shard, and an audit that
            was killed goes on from there. `passband.files.remove_unfinished` removes it.
        progress: Called along the way.
        expect: Called before the work begins with the seconds that its parts will take on this machine, by their names, as
            `passband.instruments.forecast.forecast` finds in about a second; not where that is less than ten in all.
        ahead: Called before the work begins with all that will be looked at shard by shard, whose results it may put in place beside
            `result_folder`: `passband.engine.shards.side_by_side` has several processes do so. It changes no number.

    Returns:
        The audit: `.card`, `.rows`, `.samples`, `.save(folder)`, `Audit.load(folder)`, `.check("lfc@8 >= 0.6")`.

    Raises:
        InputError: If model, data, settings and requirements do not fit together, or the model's answer to an image depends on
            the images beside it.
        MissingDependencyError: If an attack needs a library that is not installed.

    Source:
        Wang et al. 2020: section 3.1, Figure 2 and Corollary 1; section 6 for the attacks.
    """
    check_dataset(dataset)
    if ceiling_samples is not None and ceiling_samples < 0:
        raise InputError(f"ceiling_samples must be >= 0, got {ceiling_samples}")
    if ceiling not in get_args(Search):
        raise UnknownNameError("search", ceiling, get_args(Search))
    chosen, instruments = with_needed(
        require,
        dataset,
        radii=radii,
        instruments=instruments,
        attacks=attacks,
        ceiling=ceiling_samples != 0,
    )
    subject = open_subject(model, dataset, seed=seed, batch_size=batch_size, device=device, progress=progress)
    pixels, run = subject.model, subject.run
    flips, corollary = Flips(chosen, amplitude, precision), _ceiling(ceiling, ceiling_samples, chosen)
    check_plans(attacks, pixels, dataset)
    for instrument in (flips, *corollary, *instruments):
        instrument.check(subject)
    check_ahead(ahead, result_folder)

    attacking = tuple(map(UnderAttack.of, attacks))
    needed = flips.answers_needed(dataset.size)
    if expect is not None:
        asked = [("components", flips), *((each.name, each) for each in (*corollary, *instruments))]
        asked += [(plan.measure, each) for plan, each in zip(attacks, attacking, strict=True)]
        if seconds := forecast(subject, needed, asked):
            expect(seconds)
    subject, shelf, spectrum = open_shelf(subject, result_folder)
    evaluated = subject.at(needed.visited(subject))
    if ahead is not None:
        ahead(looks_of([flips], subject) + looks_of([*corollary, *attacking, *instruments], evaluated))
    found = subject.read(flips)
    answers = found.answers
    bound = next(map(evaluated.read, corollary), None)
    counterexamples = None if bound is None else bound.counterexamples
    attacked = tuple(evaluated.read(each).attacked for each in attacking)
    extra = tuple(shelf.read(instrument, evaluated) for instrument in instruments)

    within = energy_within(torch.fft.ifftshift(spectrum.power), chosen)
    whole, points = parts.answers(answers), parts.curves(answers, chosen, within.tolist())
    baselines = parts.baselines(answers.labels, dataset)
    lows = answers.correct[[answers.of(Low(radius)) for radius in chosen]]
    critical = with_intervals(
        critical_radii(points, whole.accuracy, baselines), chosen, answers.correct[0], lows, seed=seed
    )
    counted = parts.flips(found.flips, found.by_chance, chosen, eligible=int(answers.correct[0].sum()))
    card = ClassifierCard(
        model=parts.model_entry(pixels, dataset, run),
        data=parts.data_entry(dataset, evaluated=len(answers.samples)),
        notices=parts.notices(pixels, dataset, whole.accuracy, baselines),
        settings=Settings(
            amplitude=amplitude,
            geometry="index",
            inclusive=True,
            radii=chosen,
            corner=corner_radius(*dataset.size),
            precision=precision,
            seed=seed,
        ),
        clean=whole,
        baselines=baselines,
        curves=points,
        classes=parts.classes(answers, chosen, dataset),
        critical_radius=critical,
        area=parts.areas(points),
        flips=counted,
        ceiling=None if counterexamples is None else parts.ceiling(counterexamples),
        attacks=tuple(attack_entry(each, dataset, counterexamples) for each in attacked),
        traces=parts.traces_entry(spectrum.traces),
        manifest=parts.manifest(answers.seconds, device, images=answers.predictions.numel()),
    )
    rows = [
        *answers.rows(),
        *found.rows(),
        *(() if bound is None else bound.rows()),
        *robustness_rows(attacked, dataset, run=run),
    ]
    examples = found.examples(within, at={point.radius for point in counted.beyond_chance})
    audited = Audit(
        card=card,
        rows=_joined(to_table(rows), extra),
        samples=answers.to_table(),
        counterexamples=counterexamples,
        panels=examples,
        strip=_strip(dataset, answers, examples, chosen),
        spectrum=spectrum,
        attacks=attacked,
        extra=extra,
    )
    return holding(audited, require)


def _ceiling(search: Search, samples: int | None, radii: tuple[float, ...]) -> tuple[RobustnessCeiling, ...]:
    """Return the instrument of Corollary 1, or none where it is left out; of samples, None is as many as suit the search."""
    if samples == 0:
        return ()
    if search == "exact":
        return (RobustnessCeiling(samples),)
    return (RobustnessCeiling(BOUNDED_SAMPLES if samples is None else samples, radii),)


def _joined(rows: pl.DataFrame, extra: Sequence[ExtraReading]) -> pl.DataFrame:
    """Return an audit's own rows and those of its other instruments; what it has already, as of `components`, is there once."""
    keys = [name for name in COLUMNS if name not in ("value", "error", "each")]
    added = (reading.rows.join(rows, on=keys, how="anti", nulls_equal=True) for reading in extra)
    return pl.concat([rows, *added])


def counterexamples_table(found: Counterexamples) -> pl.DataFrame:
    """Return one row a sample: whether it is right, and for each norm the nearest LFC that changes that."""
    columns = {"sample": found.samples.numpy(), "correct": found.correct.numpy()}
    for norm in NORMS:
        columns |= {norm: found.distance[norm].numpy(), f"{norm}_radius": found.radius[norm].numpy()}
    return pl.DataFrame(columns)


def read_counterexamples(path: Path, ceiling: Ceiling) -> Counterexamples:
    """Return what `counterexamples_table` wrote, whose search the card's ceiling tells.

    Raises:
        InputError: If the file is missing or damaged.
    """
    table = read_table(path, ("sample", "correct", *NORMS, *(f"{norm}_radius" for norm in NORMS)))
    columns = {name: torch.from_numpy(table[name].to_numpy().copy()) for name in table.columns}
    return Counterexamples(
        samples=columns["sample"],
        correct=columns["correct"],
        distance={norm: columns[norm] for norm in NORMS},
        radius={norm: columns[f"{norm}_radius"] for norm in NORMS},
        radii=ceiling.radii,
        search=ceiling.search,
        shown=ceiling.shown,
    )


def _strip(
    dataset: ImageDataset, answers: Answers, examples: Sequence[FlipExample], radii: Sequence[float]
) -> Strip:
    """Return the clearest of Figure 2's images at growing radii; else one that is predicted right; else the first."""
    first_right = int(answers.samples[answers.correct[0].int().argmax()])
    sample = examples[0].sample if examples else first_right
    image = to_pixels(dataset.images[sample])
    low, high = split_many(image, radii)
    return Strip(dataset.classes[dataset.labels[sample]], image, tuple(radii), low, high)
