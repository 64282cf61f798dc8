"""`run_studies`: from the names of studies to their claims decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from passband.checks import check_at_least_one
from passband.engine.engine import Engine
from passband.engine.execute import Ended, execute
from passband.engine.local import Local
from passband.engine.watch import Watch
from passband.results.schema import check_schema
from passband.studies.plan import PlannedStudy, plan_studies
from passband.studies.result import StudyResult, conclude
from passband.studies.study import Study


def run_studies(
    studies: Sequence[Study | str] | Study | str,
    *,
    preset: str = "smoke",
    data: str = "fashion-mnist",
    source: str = "text",
    seeds: int | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    store: Path = Path("results"),
    workers: int = 2,
    device: str = "auto",
    threads: int = 1,
    engine: Engine | None = None,
    watch: Watch | None = None,
) -> list[StudyResult]:
    """Make the runs and measurements that the store does not hold, and decide the claims of studies.

    Each run and each measurement has a process of its own, which is spawned: a script that calls this must be guarded by
    `if __name__ == "__main__"`. What several studies share is done once, and an interrupted run goes
    on from its last epoch. `passband.write_study` draws the figure and writes a result's folder.

    Args:
        studies: Names that `passband study list` prints, or `"all"`; studies of one's own, as a `Study`, as
            `"path/to/file.py:NAME"` or as `"package.module:NAME"`. A `Study` that is handed over must be made by a file
            that a new process can import, if it measures with classes of that file.
        preset: `"smoke"`, `"laptop"` or `"paper"`.
        data: The data set, as `load_dataset` takes it.
        source: Where text and released code of the paper differ: `"text"` or `"code"`.
        seeds: How many times each run is made, with the seeds from 0 on; None is as the preset has it: 1 in `smoke`, 5 in
            `laptop`, 3 in `paper`. A verdict needs 3.
        epochs: Cut every run to at most so many epochs, to check a protocol.
        limit: Cut the training and the test data to at most so many images each, likewise.
        store: The folder of all results.
        workers: Runs and measurements at a time, on this computer.
        device: Where they compute: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`. Of several GPUs, `"auto"` and `"cuda"` take all by
            turns, and several runs may share one.
        threads: Threads of each. They decide how sums are rounded, so that rows with two differ from rows with one in their last digits.
        engine: Where they are done instead, such as a `passband.engine.cluster.Cluster`; it says how many at a time.
        watch: Looks on.

    Returns:
        One result a study: built-in ones in the paper's order, then one's own. Runs that failed are named in it.

    Raises:
        InputError: Before any training, if anything does not fit.
        UnknownNameError: If there is no such study, preset, source or data set.
    """
    check_at_least_one("threads", threads)
    engine = engine or Local(workers)
    engine.devices(device)  # refuses what there is not, before data are loaded
    planned = plan_studies(
        studies,
        preset=preset,
        data=data,
        source=source,
        seeds=seeds,
        epochs=epochs,
        limit=limit,
        store=store,
    )
    ended = do_studies(planned, engine=engine, device=device, threads=threads, watch=watch or Watch())
    return [conclude(study, ended) for study in planned]


def do_studies(
    planned: Sequence[PlannedStudy], *, engine: Engine, device: str = "auto", threads: int = 1, watch: Watch
) -> dict[str, Ended]:
    """Do what studies need and the store does not hold; see `run_studies`. What became of each is returned by its id."""
    everything = {one.id: one for study in planned for one in study.everything}
    for store in {one.folder.parents[1] for one in everything.values()}:
        check_schema(store, everything)
    with engine:
        for store in {one.folder.parents[1] for one in everything.values()}:
            engine.check(store)
        watch.begin(list(everything.values()), name_planned(planned))
        try:
            return execute(
                everything.values(),
                engine=engine,
                device=device,
                threads=threads,
                on_event=watch.event,
                on_ended=watch.ended,
            )
        finally:
            watch.finish()


def name_planned(planned: Iterable[PlannedStudy]) -> dict[str, str]:
    """Return what people call the runs and measurements of studies, by their ids: the label in the first study that has them, and the seed."""
    names: dict[str, str] = {}
    for study in planned:
        for label, run in study.runs:
            names.setdefault(run.id, f"{label}, seed {run.config.seed}")
        for label, measured in study.measurements:
            what = measured.measurement.to_dict()["instrument"]
            names.setdefault(measured.id, f"{what} of {label}, seed {measured.run.config.seed}")
    return names
