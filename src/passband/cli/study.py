"""`passband study list`, `passband study show` and `passband study run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from passband.cli import options
from passband.cli.console import print_json, print_lines, print_table, progress_bars, say
from passband.engine.execute import Outcome, execute
from passband.engine.plan import Job, plan
from passband.environment import choose_device
from passband.errors import InputError
from passband.optional import require
from passband.report.studies import effect_text, write_study
from passband.studies.catalog import STUDIES, find_studies
from passband.studies.cost import estimate
from passband.studies.presets import Setting, Source, find_setting
from passband.studies.result import claims_record, conclude, result_folder
from passband.studies.study import Study, shortened, with_seeds
from passband.train.config import RunConfig

study = App(name="study", help="The paper's training experiments: which runs, which claims, which figure.")


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """How large a study is, and on what.

    Attributes:
        preset: smoke (tens of images, to see that it runs), laptop (two CPU cores, an hour), paper (its protocol).
        data: The data: fashion-mnist (built in), phantom, parquet:PATH, folder:PATH, npz:PATH, cifar10, mnist, ...
        source: Where text and released code of the paper differ: which one to follow.
        seeds: How many times to make each run.
        epochs: Cut every run to at most so many epochs, to check a protocol.
        limit: Cut the training data to at most so many images, likewise.
        store: Folder of all results: runs in `runs`, studies in `studies`.
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

    def planned(self, studies: Sequence[Study], setting: Setting) -> dict[str, list[tuple[str, Job]]]:
        """Return the jobs of several studies by the study's name, with their labels; shared runs are one job."""
        runs = {one.name: self.runs(one, setting) for one in studies}
        wanted = [(config, setting.probe) for labelled in runs.values() for _, config in labelled]
        jobs = iter(plan(wanted, self.store))
        return {name: [(label, next(jobs)) for label, _ in labelled] for name, labelled in runs.items()}

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
    """Show a study before it runs: its runs, its claims, how it departs from the paper, and what it will cost here.

    The cost is estimated from a few real training steps of each kind of run on this machine.

    Args:
        name: One that `passband study list` prints.
        workers: Runs at a time.
    """
    (one,) = _single(name)
    _check_workers(workers)
    choose_device(device)
    setting = study_options.setting()
    say(f"Loading the data {setting.data}")
    runs = study_options.planned([one], setting)[one.name]
    say("Timing a few training steps")
    seconds = estimate((job for _, job in runs), device)
    total = sum(seconds.values()) / min(workers, max(len(seconds), 1))
    if json:
        print_json(_shown(one, setting, runs, seconds, total))
        return 0
    print_lines([f"{one.title}: {one.source}", one.question, ""])
    table = [
        (label, str(job.config.seed), job.run, _changes(job.config, setting), _minutes(seconds[job.run]))
        for label, job in runs
    ]
    heading = f"Runs on {setting.data}, preset {setting.preset}, source {setting.source}"
    print_table(heading, ("run", "seed", "id", "settings", "time"), table, wrapped=True)
    claims = [(c.sentence, c.hypothesis, str(c.rule)) for c in one.claims(setting)]
    print_table("Claims", ("the paper says", "in rows", "rule"), claims, wrapped=True)
    departures = [(d.what, d.paper, d.here, d.why) for d in setting.departures]
    print_table("Departures from the paper", ("what", "paper", "here", "why"), departures, wrapped=True)
    print_lines([f"Estimated: {_minutes(total)} with {workers} workers; runs in the store take nothing."])
    return 0


@study.command
def run(
    *names: str,
    study_options: Flags = DEFAULTS,
    workers: int = 2,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Make the runs of studies that the store does not hold, draw their figures and decide their claims.

    Each run is a process with one thread; what several studies share is trained once, and an interrupted run goes on
    from its last epoch. Results are in STORE/studies/NAME-PRESET-DATA.

    Args:
        names: Those that `passband study list` prints, or all.
        workers: Runs at a time.
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
    runs = study_options.planned(studies, setting)
    outcomes = _execute([job for labelled in runs.values() for _, job in labelled], workers, device)
    records = []
    for one in studies:
        result = conclude(one, setting, runs[one.name], outcomes)
        folder = result_folder(study_options.store, one, setting, study_options.cut)
        write_study(result, folder, command=f"passband {' '.join(sys.argv[1:])}")
        records.append({"study": one.name, "folder": str(folder), "claims": claims_record(result)})
        if not json:
            rows = [(j.claim.sentence, effect_text(j), j.verdict) for j in result.judgements]
            print_table(
                f"{one.title} ({one.source})", ("the paper says", "effect", "verdict"), rows, wrapped=True
            )
            print_lines(
                [f"{label}, seed {seed} failed: {why}" for (label, seed), why in result.failures.items()]
            )
            print_lines([f"Figure, table and claims: {folder}", ""])
    if json:
        print_json(records)
    return 0


def _execute(jobs: Sequence[Job], workers: int, device: str) -> dict[str, Outcome]:
    total = len({job.run for job in jobs})
    with progress_bars() as progress:
        done = 0

        def on_outcome(outcome: Outcome) -> None:
            nonlocal done
            done += 1
            progress("runs", done, total, f"{outcome.job.run} {outcome.status}")

        return execute(jobs, workers=workers, device=device, on_outcome=on_outcome)


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
    one: Study, setting: Setting, runs: Sequence[tuple[str, Job]], seconds: dict[str, float], total: float
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
                "run": job.run,
                "config": job.config.resolved().to_dict(),
                "seconds": seconds[job.run],
                "done": job.done,
            }
            for label, job in runs
        ],
        "claims": [
            {"sentence": c.sentence, "hypothesis": c.hypothesis, "rule": str(c.rule)}
            for c in one.claims(setting)
        ],
        "departures": [vars(departure) for departure in setting.departures],
        "seconds": total,
    }
