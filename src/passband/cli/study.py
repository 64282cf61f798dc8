"""`passband study list`, `passband study show` and `passband study run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

from passband.checks import check_workers
from passband.choices import Preset, Source
from passband.cli import options
from passband.cli.console import duration, print_json, print_lines, print_table, say
from passband.cli.engines import ENGINE_DEFAULTS, EngineFlags
from passband.cli.trackers import TRACK_DEFAULTS, TrackFlags
from passband.errors import InputError
from passband.invocation import command_line
from passband.optional import require
from passband.studies.catalog import STUDIES, check_names

if TYPE_CHECKING:
    import passband.studies.plan
    import passband.studies.presets
    import passband.studies.result
    import passband.studies.study

study = App(
    name="study", help="The paper's experiments: which runs and measurements, which claims, which figure."
)


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """How large a study is, and on what.

    Attributes:
        preset: smoke (tens of images, to see that it runs), laptop (two CPU cores, an hour), paper (its protocol).
        data: The data: fashion-mnist (built in), phantom, parquet:PATH, folder:PATH, npz:PATH, hf:FOLDER_OR_NAME, cifar10, mnist, ...
        source: Where text and released code of the paper differ: which one to follow.
        seeds: How many times to make each run; by default once at smoke, 5 times at laptop and 3 times at paper. A verdict needs 3.
        epochs: Cut every run to at most so many epochs, to check a protocol.
        limit: Cut the training and the test data to at most so many images each, likewise.
        store: Folder of all results: runs in `runs`, measurements of finished runs in `measurements`, studies in
            `studies`.
    """

    preset: Preset = "smoke"
    data: str = "fashion-mnist"
    source: Source = "text"
    seeds: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    epochs: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    store: Path = Path("results")


DEFAULTS = StudyOptions()
Flags = Annotated[StudyOptions, Parameter(name="*")]


@study.command(name="list")
def list_studies(*, json: options.Json = False) -> int:
    """List all studies and their places in the paper."""
    lines = STUDIES.lines.values()
    if json:
        print_json([{"name": s.name, "source": s.source, "question": s.question} for s in lines])
        return 0
    rows = [(s.name, s.source, s.question) for s in lines]
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
    """Show a study before it runs: runs, measurements, claims, how it deviates from the paper, and what it will cost here.

    The cost is estimated from a few real steps of training and of attacks of each kind of network on this machine. How
    long an attack takes depends on how many images withstand it; that is taken to be one in ten.

    Args:
        name: One that `passband study list` prints, or a study of one's own: FILE.py:NAME.
        workers: Runs at a time.
    """
    check_names([name])
    if name == "all":
        raise InputError(f"show takes one study, got {name!r}. Known: {', '.join(STUDIES)}")
    check_workers(workers)
    from passband.engine.cost import estimate_seconds
    from passband.environment import choose_device
    from passband.studies.find import find_studies
    from passband.studies.plan import plan_studies

    (one,) = find_studies([name])
    choose_device(device)
    say(f"Loading the data {study_options.data}")
    (planned,) = plan_studies(one, **asdict(study_options))
    setting = planned.setting
    say("Timing a few steps")
    seconds = estimate_seconds(planned.everything, device)
    total = sum(seconds.values()) / min(workers, max(len(seconds), 1))
    if json:
        print_json(_shown(planned, seconds, total))
        return 0
    print_lines([f"{one.title}: {one.source}", one.question, ""])
    table = [
        (label, str(run.config.seed), run.id, _changes(run.config, setting), duration(seconds[run.id]))
        for label, run in planned.runs
    ]
    heading = f"Runs on {setting.data}, preset {setting.preset}, source {setting.source}"
    print_table(heading, ("run", "seed", "id", "settings", "time"), table, wrapped=True)
    print_lines(_probed(planned))
    if planned.measurements:
        measured = [
            (label, str(m.run.config.seed), m.id, str(m.measurement), duration(seconds[m.id]))
            for label, m in planned.measurements
        ]
        heading = "Measurements of finished runs"
        print_table(heading, ("run", "seed", "id", "measurement", "time"), measured, wrapped=True)
    claims = [
        (c.quoted, c.hypothesis, str(c.rule), "\n".join(condition.text for condition in c.conditions))
        for c in one.claims(setting)
    ]
    print_table("Claims", ("claim", "in rows", "rule", "tested only if"), claims, wrapped=True)
    deviations = [(d.what, d.paper, d.here, d.why) for d in one.all_deviations(setting)]
    print_table("Deviations from the paper", ("what", "paper", "here", "why"), deviations, wrapped=True)
    print_lines([f"Estimated: {duration(total)} with {workers} workers; what the store holds takes nothing."])
    return 0


@study.command
def run(
    *names: str,
    study_options: Flags = DEFAULTS,
    engine_options: EngineFlags = ENGINE_DEFAULTS,
    track_options: TrackFlags = TRACK_DEFAULTS,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Make the runs and measurements that the store does not hold, draw the figures and decide the claims.

    Each run and each measurement is a process of its own; what several studies share is done once, and an interrupted run
    goes on from its last epoch. Results are in STORE/studies/NAME-PRESET-DATA, and `tensorboard --logdir STORE/tensorboard` shows
    the curves of runs while they train.

    Args:
        names: Those that `passband study list` prints, or all; a study of one's own is FILE.py:NAME.
    """
    check_names(names)
    engine_options.check()
    for module in ("altair", "vl_convert"):
        require(module, extra="report", purpose="drawing a study's figure")
    from passband.cli.live import choose_watch
    from passband.engine.watch import Watches
    from passband.report.studies import write_study
    from passband.report.study_words import corrected_text, estimate_text, verdict_text
    from passband.studies.result import describe_claims
    from passband.studies.run import run_studies
    from passband.tracking.trackers import Trackers

    trackers = track_options.open()
    say(f"Loading the data {study_options.data}")
    results = run_studies(
        names,
        **asdict(study_options),
        engine=engine_options.open(),
        threads=engine_options.threads,
        device=device,
        watch=Watches([choose_watch(), Trackers(trackers, say)]),
    )
    printed = []
    for result in results:
        one, claims = result.planned.study, describe_claims(result)
        folder = write_study(result, command=command_line() or "")
        printed.append({"study": one.name, "folder": str(folder), "claims": claims})
        if not json:
            rows = [
                (j.claim.quoted, estimate_text(j), verdict_text(j), corrected_text(j))
                for j in result.judgements
            ]
            head = ("claim", "estimate", "verdict", "among all claims")
            print_table(f"{one.title} ({one.source})", head, rows, wrapped=True)
            print_lines([f"{what} failed: {why}" for what, why in result.failures.items()])
            print_lines([f"Figure, table and claims: {folder}", ""])
    if json:
        print_json(printed)
    check_made(results)
    return 0


def check_made(results: Sequence[passband.studies.result.StudyResult]) -> None:
    """Refuse to call done what lacks runs or measurements; one that diverged is there, and says so.

    Raises:
        InputError: If some could not be made: their processes crashed, or the disk was full.
    """
    everything = {one.id: one for result in results for one in result.planned.everything}
    lacking = frozenset().union(*(result.lacking for result in results))
    if lacking:
        raise InputError(
            f"{len(lacking)} of {len(everything)} runs and measurements could not be made, as was said above; what was made of them is in "
            "the results. The same command tries the rest again."
        )


def _changes(config: passband.studies.study.Config, setting: passband.studies.presets.Setting) -> str:
    """Return what a run does otherwise than the vanilla run, seed aside; of the vanilla run itself, or a detector, everything."""
    own, vanilla = config.resolved().to_dict(), setting.vanilla.resolved().to_dict()
    if own.keys() != vanilla.keys():
        return ", ".join(
            f"{key} {value}" for key, value in own.items() if key != "seed" and value is not None
        )
    changed = {k: v for k, v in own.items() if v != vanilla[k] and k != "seed"}
    if not changed:
        default = type(setting.vanilla)(setting.vanilla.dataset).to_dict()
        changed = {k: v for k, v in own.items() if k not in ("dataset", "seed") and v != default[k]}
    return ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in changed.items())


def _probe_of(run: passband.studies.plan.PlannedRun | passband.studies.plan.PlannedDetector) -> Any:
    """Return what is measured along a run, as JSON holds it; None for a detector, or where nothing is."""
    probe = getattr(run, "probe", None)
    return None if probe is None else probe.to_dict()


def _probed(planned: passband.studies.plan.PlannedStudy) -> list[str]:
    """Return how many images the probes of a study are shown, where they have a number."""
    probes = [probe for _, run in planned.runs if (probe := _probe_of(run)) and probe["samples"] is not None]
    said = []
    last = max((probe.get("last", 1) for probe in probes), default=1)
    final = "after the last epoch" if last == 1 else f"after each of the last {last} epochs"
    for name, when in (("samples", final), ("along", "before")):
        counts = [probe[name] or probe["samples"] for probe in probes]
        if counts:
            least, most = f"{min(counts):,}", f"{max(counts):,}"
            said.append(f"{least if least == most else f'{least} to {most}'} {when}")
    return [f"Random images of each subset that a probe is shown: {', '.join(said)}."] if said else []


def _shown(
    planned: passband.studies.plan.PlannedStudy, seconds: dict[str, float], total: float
) -> dict[str, Any]:
    one, setting = planned.study, planned.setting
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
                "run": run.id,
                "config": run.config.resolved().to_dict(),
                "probe": _probe_of(run),
                "seconds": seconds[run.id],
                "done": run.done,
            }
            for label, run in planned.runs
        ],
        "measurements": [
            {
                "label": label,
                "run": measurement.run.id,
                "measurement": measurement.id,
                "settings": measurement.measurement.to_dict(),
                "seconds": seconds[measurement.id],
                "done": measurement.done,
            }
            for label, measurement in planned.measurements
        ],
        "claims": [
            {
                "sentence": c.sentence,
                "asked_by": c.asked_by,
                "hypothesis": c.hypothesis,
                "rule": str(c.rule),
                "conditions": [condition.text for condition in c.conditions],
            }
            for c in one.claims(setting)
        ],
        "deviations": [asdict(deviation) for deviation in one.all_deviations(setting)],
        "seconds": total,
    }
