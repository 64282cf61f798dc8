"""Write the pages docs/results/laptop-DATA.md and their figures from a store, without running anything.

    python scripts/write_results.py --store results --data fashion-mnist --seeds 5
    python scripts/write_results.py --store results --data parquet:PATH/imagenette-64 --seeds 4

What the store does not hold yet is named, and left out. A text that stands in docs/results/notes/DATA.md is put on top of the page: what
people made of the numbers is written by people.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev

import polars as pl

from passband.analysis.contrast import Contrast, accuracy, fit
from passband.analysis.lookup import NotMeasured, seeds_of, values_of
from passband.data.source_names import data_name, to_publish
from passband.engine.execute import finished
from passband.engine.plan import PlannedRun
from passband.files import read_json
from passband.frequency.component import lows_and_highs
from passband.report.studies import write_study
from passband.report.study_words import corrected_text, estimate_text, verdict_text
from passband.results.places import ENVIRONMENT
from passband.results.tables import processor_seconds
from passband.studies.catalog import STUDIES
from passband.studies.plan import PlannedStudy, plan_studies
from passband.studies.reproduction import Reproduction
from passband.studies.result import StudyResult, conclude

VERDICTS = Reproduction.VERDICTS
HOME = Path(__file__).parents[1] / "docs" / "results"
WITH_FIT = ("label-shuffle", "train-on-components", "batchnorm-on-lfc")
"""Studies whose networks are trained on something else than whole images with their labels."""


def store_arguments(description: str | None) -> argparse.ArgumentParser:
    """Return the options that say which results are read."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("results"))
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--seeds", type=int, default=5)
    return parser


def conclude_studies(studies: Sequence[str], asked: argparse.Namespace) -> dict[str, StudyResult | None]:
    """Return what came of each study by its name; None where the store lacks any of it."""
    planned = plan_studies(studies, preset="laptop", data=asked.data, seeds=asked.seeds, store=asked.store)
    return {one.study.name: concluded(one) for one in planned}


def concluded(planned: PlannedStudy) -> StudyResult | None:
    """Return what came of a study of which everything is in the store."""
    if not all(one.done for one in planned.everything):
        return None
    return conclude(planned, {one.id: finished(one, "found") for one in planned.everything})


def page(
    results: Sequence[StudyResult], missing: Sequence[str], data: str, asked: argparse.Namespace
) -> Iterator[str]:
    """Yield the page, line by line."""
    shown = to_publish(asked.data)
    yield f"# The preset `laptop` on {data}: figures, tables and verdicts\n"
    yield "This page is written by `scripts/write_results.py` from the store that these commands fill:\n"
    every = asked.studies == list(STUDIES)
    names = " ".join(asked.studies)
    yield f"    passband study run {'all' if every else names} --preset laptop --data {shown} --seeds {asked.seeds} --store results"
    chosen = "" if every else f" --studies {names}"
    yield f"    python scripts/write_results.py --store results --data {shown} --seeds {asked.seeds}{chosen}\n"
    packed = sorted((HOME / "runs").glob(f"{data}-laptop-seed-*.tar.xz"))
    if packed:
        yield (
            f"All that was measured is in `runs/{data}-laptop-seed-*.tar.xz` ({len(packed)} of the seeds), without networks. Unpacked into "
            "`results`, it is a store in which both commands find everything, so that figures and verdicts are made again in minutes:\n"
        )
        yield "    mkdir --parents results"
        yield f"    for file in docs/results/runs/{data}-laptop-seed-*.tar.xz; do tar --extract --file $file --directory results; done\n"
    note = HOME / "notes" / f"{data}.md"
    if note.is_file():
        yield note.read_text().strip() + "\n"
    yield from verdicts(results)
    if missing:
        yield f"Not in the store yet, and so not here: {', '.join(missing)}.\n"
    yield (
        f"Accuracies are in percent: the mean over {asked.seeds} seed{'s' * (asked.seeds > 1)}, and in brackets the standard deviation from seed to seed. `train` and "
        "`test` are on all whole images after the last epoch, the rest on random test images, the mean after the last three epochs. What the "
        "preset changes against the paper ends each `study.md`; [how a claim is decided](../studies.md#how-a-claim-is-decided).\n"
    )
    yield from cost(results)
    for result in results:
        yield from of_study(result, data)


def verdicts(results: Sequence[StudyResult]) -> Iterator[str]:
    """Yield how many claims came out how, by study."""
    yield f"| study | {' | '.join(VERDICTS)} | stand among all |"
    yield f"|---|{'--:|' * (len(VERDICTS) + 1)}"
    total: Counter[str] = Counter()
    for result in results:
        counts = Counter(one.verdict for one in result.judgements)
        counts["stand"] = sum(one.stands and one.verdict != "undecided" for one in result.judgements)
        total += counts
        cells = " | ".join(str(counts[name]) for name in (*VERDICTS, "stand"))
        yield f"| [{result.planned.study.name}](#{result.planned.study.name}) | {cells} |"
    yield f"| all | {' | '.join(str(total[name]) for name in (*VERDICTS, 'stand'))} |\n"


def cost(results: Sequence[StudyResult]) -> Iterator[str]:
    """Yield what all of it took."""
    runs = {one.id: one for result in results for _, one in result.planned.runs}
    measured = {one.id: one for result in results for _, one in result.planned.measurements}
    taken = [sum(processor_seconds(one.folder) for one in some.values()) / 3600 for some in (runs, measured)]
    detectors = any(not isinstance(run, PlannedRun) for run in runs.values())
    by_the_clock = "Detectors, which do not say what they took, count by the clock. " if detectors else ""
    yield (
        f"**Cost.** {len(runs)} runs took {taken[0]:.1f} hours of processor time, and {len(measured)} measurements of finished networks "
        f"{taken[1]:.1f}; each has one thread. {by_the_clock}"
        f"They computed on {computed_on(one.folder for one in (runs | measured).values())}.\n"
    )


def computed_on(folders: Iterable[Path]) -> str:
    """Return on what kind of device, and with which torch, runs and measurements were made, the most frequent first."""
    counts: Counter[str] = Counter()
    for folder in folders:
        about = read_json(folder / ENVIRONMENT)
        place = "a CPU" if about["device"] == "cpu" else f"a GPU ({about['device_name']})"
        counts[f"{place} with torch {about['versions']['torch']}"] += 1
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{place} ({count:,} of them)" for place, count in counts.most_common())


def of_study(result: StudyResult, data: str) -> Iterator[str]:
    """Yield a study's table, figure and claims."""
    study = result.planned.study
    yield f'<a id="{study.name}"></a>\n'
    yield f"## {study.title} ({study.source})\n"
    yield from table(result)
    figure = f"figures/{data}-{study.name}.png"
    folder = write_study(result)
    shutil.copyfile(folder / "figure.png", HOME / figure)
    yield f"![{study.title}]({figure})\n"
    yield "| claim | in rows | estimate [95% interval] | verdict | among all claims |"
    yield "|---|---|--:|---|---|"
    for one in result.judgements:
        cells = (
            one.claim.quoted,
            one.claim.hypothesis,
            estimate_text(one),
            verdict_text(one),
            corrected_text(one),
        )
        yield row(cells)
    yield ""


def table(result: StudyResult) -> Iterator[str]:
    """Yield accuracies of all runs."""
    labels = Counter(label for label, run in result.planned.runs if isinstance(run, PlannedRun))
    if not labels:
        return
    components = lows_and_highs(result.planned.setting.radii)
    columns = {"fit": fit} if result.planned.study.name in WITH_FIT else {}
    columns |= {"train": lambda label: accuracy(label, "train"), "test": accuracy}
    columns |= {
        str(shown).upper().replace(":", " "): lambda label, shown=shown: accuracy(label, component=shown)
        for shown in components
    }
    yield f"| run | {' | '.join(columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for label, seeds in labels.items():
        cells = (cell(result.rows, column(label), seeds) for column in columns.values())
        yield f"| {label} | {' | '.join(cells)} |"
    yield ""


def cell(rows: pl.DataFrame, contrast: Contrast, seeds: int) -> str:
    """Return a mean over seeds and their standard deviation, in percent, and how many there are where some failed."""
    try:
        values = values_of(rows, contrast, seeds_of(rows, [term.label for term in contrast.terms]))
    except NotMeasured:
        return "–"
    return in_percent(values, seeds)


def in_percent(values: Sequence[float], seeds: int, digits: int = 1) -> str:
    """Return the mean over seeds, in brackets the standard deviation from seed to seed, and how many there are where some failed."""
    if not values:
        return "–"
    spread = f" ({100 * stdev(values):.{digits}f})" if len(values) > 1 else ""
    fewer = f", {len(values)} of {seeds} seeds" if len(values) < seeds else ""
    return f"{100 * fmean(values):.{digits}f}{spread}{fewer}"


def row(cells: Iterable[str]) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    """Write the page of one data set."""
    parser = store_arguments(__doc__)
    parser.add_argument("--studies", nargs="+", default=list(STUDIES))
    asked = parser.parse_args()
    results = conclude_studies(asked.studies, asked)
    data = data_name(asked.data)
    there = [one for one in results.values() if one is not None]
    missing = [name for name, one in results.items() if one is None]
    text = "\n".join(page(there, missing, data, asked))
    (HOME / f"laptop-{data}.md").write_text(text.rstrip() + "\n")
    print(
        f"{HOME / f'laptop-{data}.md'}: {len(there)} studies; not in the store yet: {', '.join(missing) or 'none'}"
    )


if __name__ == "__main__":
    main()
