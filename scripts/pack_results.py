"""Pack what the pages of docs/results/ rest on, without networks: a file for each seed, in docs/results/runs/.

    python scripts/pack_results.py --store results --data fashion-mnist
    python scripts/pack_results.py --store results --data parquet:PATH/imagenette-64 --leave-out detection --without-pictures

The study `detection` makes its own scenes: its runs are those of the other data, and are packed once. A seed of which anything is
missing is left out, and a file that is there stays as it is. Unpacked, the files are a store in which studies find everything, so that
their verdicts and figures can be made again in minutes:

    mkdir --parents results && for file in docs/results/runs/*.tar.xz; do tar --extract --file "$file" --directory results; done
"""

from __future__ import annotations

import argparse
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from passband.data.source_names import data_name
from passband.files import write_file
from passband.results.export import export_without_weights
from passband.results.listing import Entry, list_measurements, list_runs
from passband.results.places import Store
from passband.studies.catalog import STUDIES
from passband.studies.kernel_figure import KernelFigure
from passband.studies.plan import PlannedStudy, plan_studies

HOME = Path(__file__).parents[1] / "docs" / "results" / "runs"


def of_seed(planned: Sequence[PlannedStudy], seed: int) -> set[str] | None:
    """Return the ids of the runs and measurements of one seed; None if the store lacks one of them."""
    runs = {run.id: run for study in planned for _, run in study.runs if run.config.seed == seed}
    measured = {
        one.id: one for study in planned for _, one in study.measurements if one.run.config.seed == seed
    }
    everything = runs | measured
    return set(everything) if all(one.done for one in everything.values()) else None


def drawn_from(planned: Sequence[PlannedStudy]) -> set[str]:
    """Return the ids of the runs whose networks a figure is drawn from: Figure 7 shows those of the first seed."""
    return {
        run.id
        for study in planned
        if isinstance(figure := study.study.figure(study.setting), KernelFigure)
        for label, run in study.runs
        if label in figure.labels and run.config.seed == 0
    }


def pack(entries: Sequence[Entry], keep: set[str], file: Path, *, pictures: bool) -> None:
    """Write results as a store in one file, whole or not at all; the same from the same results."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        store, packed = Path(made) / "store", Path(made) / file.name
        export_without_weights(entries, store, keep=keep, pictures=pictures)
        with tarfile.open(packed, "w:xz", preset=9) as archive:
            for path in sorted(store.rglob("*")):
                if path.is_file():
                    archive.add(path, str(path.relative_to(store)), filter=_plain)
        write_file(file, packed.read_bytes())


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime, info.mode = 0, 0o644
    return info


def main() -> None:
    """Read the command line, and pack."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--seeds", type=int, default=5, help="how many are looked for")
    parser.add_argument("--leave-out", nargs="*", default=[], help="studies that are packed elsewhere")
    parser.add_argument(
        "--without-pictures",
        action="store_true",
        help="none of the data's images: they are not ours to pass on",
    )
    parser.add_argument("--out", type=Path, default=HOME)
    asked = parser.parse_args()
    studies = [name for name in STUDIES if name not in asked.leave_out]
    planned = plan_studies(
        studies, preset=asked.preset, data=asked.data, seeds=asked.seeds, store=asked.store
    )
    runs = list_runs(Store(asked.store))
    entries = [*runs, *list_measurements(Store(asked.store), runs)]
    for seed in range(asked.seeds):
        file = asked.out / f"{data_name(asked.data)}-{asked.preset}-seed-{seed}.tar.xz"
        chosen = of_seed(planned, seed)
        if chosen is None or file.exists():
            print(f"{file.name}: {'not all is there' if chosen is None else 'is there'}")
            continue
        pack(
            [entry for entry in entries if entry.id in chosen],
            drawn_from(planned),
            file,
            pictures=not asked.without_pictures,
        )
        print(f"{file}: {len(chosen)} runs and measurements, {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
