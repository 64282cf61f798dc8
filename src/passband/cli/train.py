"""`passband train`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from passband.choices import Amplitude, Precision, Schedule
from passband.cli import options
from passband.cli.console import print_json, print_lines, progress_bars, say
from passband.cli.trackers import TRACK_DEFAULTS, TrackFlags
from passband.errors import InputError
from passband.files import CURVES, read_json
from passband.train.settings import ADVERSARY_STEPS, RunSettings

if TYPE_CHECKING:
    import passband.engine.events
    import passband.engine.probe
    import passband.engine.run
    import passband.train.config


@dataclass(frozen=True, kw_only=True)
class Flags(RunSettings):  # noqa: D101
    __doc__ = RunSettings.__doc__  # the help of each option
    size: options.Size = RunSettings.size
    adversarial: Annotated[object, Parameter(parse=False)] = None  # described by AdversaryFlags
    amplitude: Amplitude = RunSettings.amplitude  # cyclopts looks for the names of types in this module
    precision: Precision = RunSettings.precision
    schedule: Schedule = RunSettings.schedule


@dataclass(frozen=True, kw_only=True)
class AdversaryFlags:
    """What a network is attacked with while it is trained.

    Attributes:
        adversarial: Epsilon of PGD on the [0, 1] scale: train on adversarial examples. The paper has 8/255.
        attack_steps: Steps of that PGD.
        attack_step_size: Length of a step on the [0, 1] scale; by default 2.5 * epsilon / steps.
        attack_random_start: Start that PGD anywhere in the ball, or at the image.
    """

    adversarial: options.Fractional = None
    attack_steps: int = ADVERSARY_STEPS
    attack_step_size: options.Fractional = None
    attack_random_start: bool = True


ADVERSARY_DEFAULTS = AdversaryFlags()


def train(
    config: Annotated[Flags, Parameter(name="*")],
    *,
    adversary: Annotated[AdversaryFlags, Parameter(name="*")] = ADVERSARY_DEFAULTS,
    probe: Literal["default", "full", "none"] = "default",
    probe_radii: Annotated[
        list[float] | None, Parameter(consume_multiple=True, negative="", validator=Number(gte=0))
    ] = None,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    devices: int = 1,
    threads: int | None = None,
    track_options: TrackFlags = TRACK_DEFAULTS,
    json: options.Json = False,
) -> int:
    """Train a network on a data set and write a run folder, which `passband audit` takes as a model.

    The folder holds config.json, rows.parquet, environment.json and weights.safetensors. By default it is
    runs/ID, where the id follows from settings and data: what was trained already is not trained again, and what was
    interrupted goes on from its last epoch. Beside the folder, in OUT.tensorboard, curves grow: `tensorboard --logdir runs` shows
    them. Of data without test images of their own, such as one folder of classes or one
    file, a fifth is held out from training for test, the same in every run.

    Args:
        config: What to train, and how.
        adversary: What it is attacked with.
        probe: What to measure on whole images and components along the run: on 2,400 images a subset, as often as 10% of
            its time allows (default); after every epoch on every image, as the paper does
            (full); or nothing (none).
        probe_radii: Cut-offs of these components, such as --probe-radii 4 8; by default 4, 8, 12 and 16, where the
            images have them.
        devices: How many share the work: GPUs, or processes on the CPU.
        threads: CPU threads of each process. They decide how sums are rounded.
    """
    if probe == "none" and probe_radii:
        raise InputError("--probe-radii says what to probe, which --probe none leaves out")
    from passband.engine.run import check_place, identify, load_datasets
    from passband.engine.run import run as train_run
    from passband.environment import choose_device
    from passband.results.schema import find_equal_settings
    from passband.results.store import holds_run
    from passband.tracking.recorder import Recorder
    from passband.tracking.tracker import Tracked
    from passband.tracking.trackers import values_of
    from passband.train.config import RunConfig
    from passband.train.epoch import TrainingDiverged

    if out is not None:
        check_place(out, overwrite=overwrite)
    choose_device(device)
    trackers = track_options.open()
    settings = RunConfig.from_dict(asdict(config) | asdict(adversary))
    say(f"Loading the data {settings.dataset}")
    datasets = load_datasets(settings)
    for notice in dict.fromkeys((*datasets["train"].notices, *datasets["test"].notices)):
        say(str(notice))
    chosen = _choose_probe(probe, probe_radii, settings, datasets)
    name = identify(settings, chosen, datasets)
    folder = out or Path("runs") / name
    found = holds_run(folder, name) is not None and not overwrite
    for other, schema in (
        find_equal_settings(folder.parent, settings).items() if out is None and not found else ()
    ):
        say(
            f"{other} has these settings, but is of another version of passband (schema {schema}), which gives other numbers: the run "
            f"is trained anew, and {other} stays as it is"
        )
    curves = folder.with_name(f"{folder.name}{CURVES}")
    run = Tracked(name, folder.name, folder, curves, settings.resolved().to_dict())
    with progress_bars() as progress, Recorder(trackers, say) as recorder:

        def see(report: passband.engine.events.EpochDone) -> None:
            progress("training", report.epoch, settings.epochs, _described(report))
            recorder.epoch(run, report.epoch, values_of(report))

        with _heard_from_afar(see) if devices > 1 else nullcontext(see) as on_epoch:
            train_run(
                settings,
                chosen,
                folder,
                device=device,
                devices=devices,
                threads=threads,
                overwrite=overwrite,
                datasets=datasets,
                on_epoch=on_epoch,
                on_note=say,
            )
        description = read_json(folder / "config.json")
        failed = description.get("status") == "failed"
        recorder.ended(run, "failed" if failed else "finished")
    if failed:
        raise TrainingDiverged(f"{description['message']} Its rows until then are in {folder}.")
    if found:
        print_lines([f"Trained already: {folder}"])
        return 0
    _print_result(folder, description["run"], json=json)
    return 0


def _choose_probe(
    kind: str,
    radii: list[float] | None,
    config: passband.train.config.RunConfig,
    datasets: passband.engine.run.Datasets,
) -> passband.engine.probe.Probe | None:
    from passband.engine.probe import Probe, radii_of

    if kind == "none":
        return None
    size, asked = datasets["train"].size, tuple(radii) if radii else None
    if kind == "full":
        return Probe.full(asked or radii_of(size))
    chosen = Probe.default(config.epochs, len(datasets["train"]), size, radii=asked)
    if chosen is None:
        say("Too short a run to probe within 10% of its time: no components are measured (--probe full does)")
    return chosen


@contextmanager
def _heard_from_afar(see: Callable[[Any], None]) -> Generator[Callable[[Any], None]]:
    """Yield a function for processes that are spawned meanwhile: what they call it with, `see` is called with here."""
    from multiprocessing import get_context
    from threading import Thread

    queue = get_context("spawn").SimpleQueue()

    def listen() -> None:
        while (said := queue.get()) is not None:
            see(said)

    listener = Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield queue.put
    finally:
        queue.put(None)
        listener.join()


def _described(report: passband.engine.events.EpochDone) -> str:
    return f"loss {report.loss:.3f}, accuracy {report.accuracy:.3f}, {report.images_per_second:.0f} images/s"


def _print_result(folder: Path, run: str, *, json: bool) -> None:
    import polars as pl

    from passband.stats import wilson_interval

    rows = pl.read_parquet(folder / "rows.parquet").filter(
        pl.col("epoch").is_null(), pl.col("class").is_null(), pl.col("metric") == "accuracy"
    )
    result: dict[str, Any] = {"folder": str(folder), "run": run}
    lines = []
    for subset, called in (("train", "Training"), ("test", "Test")):
        value, count = rows.filter(pl.col("subset") == subset).select("value", "count").row(0)
        low, high = wilson_interval(round(value * count), count)
        result[f"{subset}_accuracy"] = {"value": value, "low": low, "high": high, "count": count}
        lines.append(
            f"{called} accuracy {100 * value:.1f}% [{100 * low:.1f}, {100 * high:.1f}] on {count} images"
        )
    environment = read_json(folder / "environment.json")
    result |= {name: environment[name] for name in ("training_seconds", "probe_seconds", "probe_share")}
    lines.append(
        f"Training took {environment['training_seconds']:.1f} s ({environment['images_per_second']:.0f} images/s), "
        f"probes {environment['probe_seconds']:.1f} s, {100 * environment['probe_share']:.0f}% of that"
    )
    if json:
        print_json(result)
    else:
        print_lines([*lines, f"Run: {folder}"])
