"""`passband study list`, `passband study show` and `passband study run`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from passband.cli import options
from passband.cli.console import print_json, print_lines, print_table, progress_bars, say
from passband.engine.cost import estimate
from passband.engine.execute import Outcome, execute
from passband.engine.plan import MeasurementJob, TrainingJob, plan, plan_measurement
from passband.environment import choose_device
from passband.errors import InputError
from passband.optional import require
from passband.report.studies import effect_text, write_study
from passband.studies.catalog import STUDIES, find_studies
from passband.studies.presets import Setting, Source, find_setting
from passband.studies.result import claims_record, conclude, result_folder
from passband.studies.study import Study, shortened, with_seeds
from passband.train.config import RunConfig

study = App(
    name="study", help="The paper's experiments: which runs and measurements, which claims, which figure."
)


@dataclass(frozen=True)
class Jobs:
    """What a study needs: the label and the job of each run, and of each measurement of a finished run."""

    runs: Sequence[tuple[str, TrainingJob]]
    measurements: Sequence[tuple[str, MeasurementJob]]

    @property
    def all(self) -> list[TrainingJob | MeasurementJob]:
        """All jobs, runs first."""
        return [job for _, job in (*self.runs, *self.measurements)]


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """How large a study is, and on what.

    Attributes:
        preset: smoke (tens of images, to see that it runs), laptop (two CPU cores, an hour), paper (its protocol).
        data: The data: fashion-mnist (built in), phantom, parquet:PATH, folder:PATH, npz:PATH, cifar10, mnist, ...
        source: Where text and released code of the paper differ: which one to follow.
        seeds: How many times to make each run.
        epochs: Cut every run to at most so many epochs, to check a protocol.
        limit: Cut the training and the test data to at most so many images each, likewise.
        store: Folder of all results: runs in `runs`, measurements of finished runs in `measurements`, studies in
            `studies`.
    """

    preset: Literal["smoke", "laptop", "paper"] = "smoke"
    data: str = "fashion-mnist"
    source: Source = "text"
    seeds: int = 1
    epochs: int | None = None
    limit: int | None = None
    store: Path = Path("results")

    def setting(self) -> Setting:
        """Return what preset, data and source come to."""
        return find_setting(self.preset, self.data, self.source)

    def runs(self, one: Study, setting: Setting) -> list[tuple[str, RunConfig]]:
        """Return the runs of a study, with their labels."""
        return with_seeds(shortened(one.runs(setting), epochs=self.epochs, limit=self.limit), self.seeds)

    def planned(self, studies: Sequence[Study], setting: Setting) -> dict[str, Jobs]:
        """Return the jobs of several studies by the study's name; what they share is one job."""
        runs = {one.name: self.runs(one, setting) for one in studies}
        wanted = [(config, setting.probe) for labelled in runs.values() for _, config in labelled]
        jobs = iter(plan(wanted, self.store, test_limit=self.limit))
        found = {}
        for one in studies:
            labelled = [(label, next(jobs)) for label, _ in runs[one.name]]
            each = one.measurements(setting)
            measured = [
                (label, plan_measurement(measurement, job, self.store))
                for label, job in labelled
                for measurement in each.get(label, ())
            ]
            found[one.name] = Jobs(labelled, measured)
        return found

    @property
    def cut(self) -> str:
        """What was cut, as part of a folder's name."""
        parts = (("epochs", self.epochs), ("limit", self.limit))
        return "-".join(f"{name}{value}" for name, value in parts if value is not None)


DEFAULTS = StudyOptions()
Flags = Annotated[StudyOptions, Parameter(name="*")]


@study.command(name="list")
def list_studies(*, json: options.Json = False) -> int:
    """List all studies and their places in the paper."""
    if json:
        print_json([{"name": s.name, "source": s.source, "question": s.question} for s in STUDIES.values()])
        return 0
    rows = [(s.name, s.source, s.question) for s in STUDIES.values()]
    print_table("Studies", ("study", "in the paper", "question"), rows, wrapped=True)
    return 0


@study.command
def show(
    name: str,
    *,
    study_options: Flags = DEFAULTS,
    workers: int = 2,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Show a study before it runs: runs, measurements, claims, how it departs from the paper, and what it will cost here.

    The cost is estimated from a few real steps of training and of attacks of each kind of network on this machine. How
    long an attack takes depends on how many images withstand it; that is taken to be one in ten.

    Args:
        name: One that `passband study list` prints.
        workers: Runs at a time.
    """
    (one,) = _single(name)
    _check_workers(workers)
    choose_device(device)
    setting = study_options.setting()
    say(f"Loading the data {setting.data}")
    jobs = study_options.planned([one], setting)[one.name]
    say("Timing a few steps")
    seconds = estimate(jobs.all, device)
    total = sum(seconds.values()) / min(workers, max(len(seconds), 1))
    if json:
        print_json(_shown(one, setting, jobs, seconds, total))
        return 0
    print_lines([f"{one.title}: {one.source}", one.question, ""])
    table = [
        (label, str(job.config.seed), job.id, _changes(job.config, setting), _minutes(seconds[job.id]))
        for label, job in jobs.runs
    ]
    heading = f"Runs on {setting.data}, preset {setting.preset}, source {setting.source}"
    print_table(heading, ("run", "seed", "id", "settings", "time"), table, wrapped=True)
    if jobs.measurements:
        measured = [
            (label, str(job.run.config.seed), job.id, str(job.measurement), _minutes(seconds[job.id]))
            for label, job in jobs.measurements
        ]
        heading = "Measurements of finished runs"
        print_table(heading, ("run", "seed", "id", "measurement", "time"), measured, wrapped=True)
    claims = [(c.quoted, c.hypothesis, str(c.rule)) for c in one.claims(setting)]
    print_table("Claims", ("claim", "in rows", "rule"), claims, wrapped=True)
    departures = [(d.what, d.paper, d.here, d.why) for d in setting.departures]
    print_table("Departures from the paper", ("what", "paper", "here", "why"), departures, wrapped=True)
    print_lines([f"Estimated: {_minutes(total)} with {workers} workers; what the store holds takes nothing."])
    return 0


@study.command
def run(
    *names: str,
    study_options: Flags = DEFAULTS,
    workers: int = 2,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Make the runs and measurements that the store does not hold, draw the figures and decide the claims.

    Each run and each measurement is a process with one thread; what several studies share is done once, and an
    interrupted run goes on from its last epoch. Results are in STORE/studies/NAME-PRESET-DATA.

    Args:
        names: Those that `passband study list` prints, or all.
        workers: Runs and measurements at a time.
    """
    if not names:
        raise InputError(f"name at least one study, or all. Known: {', '.join(STUDIES)}")
    studies = find_studies(names)
    _check_workers(workers)
    choose_device(device)
    for module in ("altair", "vl_convert"):
        require(module, extra="report", purpose="drawing a study's figure")
    setting = study_options.setting()
    say(f"Loading the data {setting.data}")
    jobs = study_options.planned(studies, setting)
    outcomes = _execute([job for each in jobs.values() for job in each.all], workers, device)
    records = []
    for one in studies:
        result = conclude(one, setting, jobs[one.name].runs, jobs[one.name].measurements, outcomes)
        folder = result_folder(study_options.store, one, setting, study_options.cut)
        write_study(result, folder, command=f"passband {' '.join(sys.argv[1:])}")
        records.append({"study": one.name, "folder": str(folder), "claims": claims_record(result)})
        if not json:
            rows = [(j.claim.quoted, effect_text(j), j.verdict) for j in result.judgements]
            print_table(f"{one.title} ({one.source})", ("claim", "effect", "verdict"), rows, wrapped=True)
            print_lines([f"{what} failed: {why}" for what, why in result.failures.items()])
            print_lines([f"Figure, table and claims: {folder}", ""])
    if json:
        print_json(records)
    return 0


def _execute(jobs: Sequence[TrainingJob | MeasurementJob], workers: int, device: str) -> dict[str, Outcome]:
    kinds = {job.id: "measurements" if isinstance(job, MeasurementJob) else "runs" for job in jobs}
    total, done = Counter(kinds.values()), Counter[str]()
    with progress_bars() as progress:

        def on_outcome(outcome: Outcome) -> None:
            kind = kinds[outcome.job.id]
            done[kind] += 1
            progress(kind, done[kind], total[kind], f"{outcome.job.id} {outcome.status}")

        return execute(jobs, workers=workers, device=device, on_outcome=on_outcome, on_note=say)


def _single(name: str) -> list[Study]:
    found = find_studies([name])
    if len(found) > 1:
        raise InputError(f"show takes one study, got {name!r}. Known: {', '.join(STUDIES)}")
    return found


def _check_workers(workers: int) -> None:
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")


def _changes(config: RunConfig, setting: Setting) -> str:
    """Return what a run does otherwise than the vanilla run, seed aside; of the vanilla run itself, everything."""
    own, vanilla = config.resolved().to_dict(), setting.vanilla.resolved().to_dict()
    changed = {k: v for k, v in own.items() if v != vanilla[k] and k != "seed"}
    if not changed:
        default = RunConfig(config.dataset).to_dict()
        changed = {k: v for k, v in own.items() if k not in ("dataset", "seed") and v != default[k]}
    return ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in changed.items())


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _shown(
    one: Study, setting: Setting, jobs: Jobs, seconds: dict[str, float], total: float
) -> dict[str, Any]:
    return {
        "study": one.name,
        "source": one.source,
        "question": one.question,
        "preset": setting.preset,
        "reading": setting.source,
        "probe": setting.probe.to_dict(),
        "runs": [
            {
                "label": label,
                "run": job.id,
                "config": job.config.resolved().to_dict(),
                "seconds": seconds[job.id],
                "done": job.done,
            }
            for label, job in jobs.runs
        ],
        "measurements": [
            {
                "label": label,
                "run": job.run.id,
                "measurement": job.id,
                "settings": job.measurement.to_dict(),
                "seconds": seconds[job.id],
                "done": job.done,
            }
            for label, job in jobs.measurements
        ],
        "claims": [
            {"sentence": c.sentence, "asked_by": c.asked_by, "hypothesis": c.hypothesis, "rule": str(c.rule)}
            for c in one.claims(setting)
        ],
        "departures": [vars(departure) for departure in setting.departures],
        "seconds": total,
    }
