"""`run_studies`: from the names of studies to their claims decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from passband.checks import check_workers
from passband.engine.detection import PlannedDetector
from passband.engine.execute import Ended, execute
from passband.engine.plan import PlannedRun
from passband.environment import choose_device
from passband.studies.plan import plan_studies
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
    on_progress: Callable[[str, int, int, str], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> list[StudyResult]:
    """Make the runs and measurements that the store does not hold, and decide the claims of studies.

    Each run and each measurement has a process of its own with one thread, which is spawned: a script that calls this
    must be guarded by `if __name__ == "__main__"`. What several studies share is done once, and an interrupted run goes
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
        workers: Runs and measurements at a time.
        device: Where they compute: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        on_progress: Is called with `"runs"` or `"measurements"`, how many of these have ended, how many there are, and
            what became of the last.
        on_note: Is told, in the process of a run or a measurement, what somebody should know: which process is waited for,
            what was damaged. It must be a function of a module.

    Returns:
        One result a study: built-in ones in the paper's order, then one's own. Runs that failed are named in it.

    Raises:
        InputError: Before any training, if anything does not fit.
        UnknownNameError: If there is no such study, preset, source or data set.
    """
    check_workers(workers)
    choose_device(device)
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
    everything = {one.id: one for study in planned for one in study.everything}
    kinds = {
        name: "runs" if isinstance(one, PlannedRun | PlannedDetector) else "measurements"
        for name, one in everything.items()
    }
    called = {
        one.id: f"{label}, seed {run.config.seed}"
        for study in planned
        for label, one, run in (
            *((label, run, run) for label, run in study.runs),
            *((label, measured, measured.run) for label, measured in study.measurements),
        )
    }
    total, done = Counter(kinds.values()), Counter[str]()

    def on_ended(ended: Ended) -> None:
        kind = kinds[ended.planned.id]
        done[kind] += 1
        if on_progress is not None:
            on_progress(
                kind,
                done[kind],
                total[kind],
                f"{called[ended.planned.id]} ({ended.planned.id}) {ended.status}",
            )

    ended = execute(everything.values(), workers=workers, device=device, on_ended=on_ended, on_note=on_note)
    return [conclude(study, ended) for study in planned]
