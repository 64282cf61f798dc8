"""Write the tables anew that pages of docs/ have from studies, from a store, without running anything.

    python scripts/fill_tables.py --store results --seeds 5

A page says where one belongs, between `<!-- table: NAME -->` and `<!-- end of table -->`; `TABLES` has the names. Sentences with numbers
around them are written by people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
from write_results import conclude_studies, in_percent, row, store_arguments

from passband.report.study_words import estimate_text, interval_text, verdict_text
from passband.studies.result import StudyResult

HOME = Path(__file__).parents[1] / "docs"
PAGES = (
    "instruments/flips.md",
    "instruments/svd.md",
    "instruments/input-gradient.md",
    "results/detection.md",
)
PLACE = re.compile(r"(<!-- table: ([\w -]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def claims(result: StudyResult) -> Iterator[str]:
    """Yield a study's claims: what is asked, the estimate, the verdict."""
    yield "| claim | estimate [95%] | verdict |"
    yield "|---|---|---|"
    for one in result.judgements:
        yield row((one.claim.quoted, estimate_text(one), verdict_text(one)))


def flips(result: StudyResult) -> Iterator[str]:
    """Yield the shares of images that follow their HFC, by network."""
    yield (
        "| network | accuracy, test | test: right on image and HFC, wrong on LFC | by chance | accuracy, training | "
        "training: the same | by chance |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|"
    columns = (("accuracy", "full", 1), ("flips", "hfc", 2), ("flips-by-chance", "hfc", 2))
    for label in labels(result):
        of = finished(result, label=label)
        yield row(
            (
                label,
                *(
                    spread(result, of.filter(subset=subset, metric=metric, shown=shown), digits)
                    for subset in ("test", "train")
                    for metric, shown, digits in columns
                ),
            )
        )


def svd(result: StudyResult) -> Iterator[str]:
    """Yield the same by the way in which an image is split."""
    ways = {"Fourier": "hfc", "SVD": "svd", "random subspace": "random", "noise": "noise"}
    lines = {
        "right on image and part, wrong on the rest": ("svd-flips", 2),
        "by chance": ("svd-flips-by-chance", 2),
        "accuracy on the rest": ("svd-kept-accuracy", 1),
    }
    yield f"| | {' | '.join(ways)} |"
    yield f"|---|{'--:|' * len(ways)}"
    for line, (metric, digits) in lines.items():
        of = finished(result, metric=metric).filter(pl.col("radius").is_null())
        yield row((line, *(spread(result, of.filter(component=way), digits) for way in ways.values())))


def ranks(result: StudyResult) -> Iterator[str]:
    """Yield how the gradient's energy ranks networks: the study's claims come in pairs, HFC and LFC, of the means and of each radius."""
    radii = result.planned.setting.radii
    estimates = [interval_text(one.estimate) if one.estimate else "–" for one in result.judgements]
    assert len(estimates) == 2 * (1 + len(radii)), estimates
    yield f"| | {' | '.join(f'r = {radius:g}' for radius in radii)} | means over r |"
    yield f"|---|{'--:|' * (len(radii) + 1)}"
    for turn, component in enumerate(("HFC", "LFC")):
        means, *each = estimates[turn::2]
        yield row((f"with accuracy on the {component}", *each, means))


def detection(result: StudyResult) -> Iterator[str]:
    """Yield mAP and images that gain, by detector."""
    yield "| categories told by | whole | LFC | HFC | images that gain on the LFC | under the control |"
    yield "|---|--:|--:|--:|--:|--:|"
    shown = finished(result)["shown"].drop_nulls().unique()
    low, high, control = (
        next(name for name in shown if name.startswith(kind)) for kind in ("lfc", "hfc", "control")
    )
    columns = (
        ("map", "full"),
        ("map", low),
        ("map", high),
        ("images-gain", low),
        ("images-gain", control),
    )
    for label in labels(result):
        of = finished(result, label=label)
        yield row(
            (label, *(spread(result, of.filter(metric=metric, shown=what), 1) for metric, what in columns))
        )


def labels(result: StudyResult) -> list[str]:
    """Return what a study calls its networks."""
    return list(dict.fromkeys(label for label, _ in result.planned.runs))


def finished(result: StudyResult, **of: str) -> pl.DataFrame:
    """Return the rows of finished networks, all classes together."""
    return result.rows.filter(pl.col("epoch").is_null(), pl.col("class").is_null()).filter(**of)


def spread(result: StudyResult, rows: pl.DataFrame, digits: int) -> str:
    """Return the mean over seeds, of each of which there is one row, and what `in_percent` says beside it."""
    assert rows["seed"].is_unique().all(), rows
    return in_percent(
        rows["value"].to_list(), len({run.config.seed for _, run in result.planned.runs}), digits
    )


TABLES: dict[str, tuple[str, Callable[[StudyResult], Iterator[str]]]] = {
    "shares of flips": ("flips", flips),
    "claims of flips": ("flips", claims),
    "shares of svd": ("svd", svd),
    "claims of svd": ("svd", claims),
    "ranks of input-gradient": ("input-gradient", ranks),
    "detectors": ("detection", detection),
    "claims of detection": ("detection", claims),
}
"""The study that a table is of, and what writes it."""


def main() -> None:
    """Read the command line, and fill the tables."""
    asked = store_arguments(__doc__).parse_args()
    results = conclude_studies(list(dict.fromkeys(study for study, _ in TABLES.values())), asked)

    def filled(place: re.Match[str]) -> str:
        study, write = TABLES[place[2]]
        result = results[study]
        if result is None:
            print(f"{place[2]}: not all is in {asked.store}")
            return place[0]
        return f"{place[1]}\n{chr(10).join(write(result))}\n\n{place[3]}"

    for page in PAGES:
        text = (HOME / page).read_text()
        (HOME / page).write_text(PLACE.sub(filled, text))


if __name__ == "__main__":
    main()
