"""`passband train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from passband.cli import options
from passband.cli.console import print_json, print_lines, progress_bars, say
from passband.data.catalog import load_dataset
from passband.environment import choose_device
from passband.errors import InputError
from passband.files import check_target, read_json
from passband.metrics import wilson_interval
from passband.models.catalog import build_model
from passband.models.pixels import as_pixel_model
from passband.probe.components import outcome_rows, probe_components
from passband.results.store import write_run
from passband.rows import ProbeRow, Row
from passband.train.config import RunConfig, model_arguments, run_id
from passband.train.loop import EpochReport
from passband.train.loop import train as train_model


def train(
    config: Annotated[RunConfig, Parameter(name="*")],
    *,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Train a network on a data set and write a run folder, which `passband audit` takes as a model.

    The folder holds config.json, rows.parquet, environment.json and weights.safetensors. By default it is
    runs/ID, where the id follows from settings and data: what was trained already is not trained again.

    Args:
        config: What to train, and how.
    """
    if out is not None and not _holds_run(out):
        check_target(out, overwrite=overwrite)
    place = choose_device(device)
    say(f"Loading the data {config.dataset}")
    dataset = load_dataset(config.dataset, "train", size=config.size, limit=config.limit)
    test = load_dataset(config.dataset, "test", size=dataset.size, channels=dataset.channels)
    if test.classes != dataset.classes:
        raise InputError(f"{config.dataset} has other classes in its test subset than in its train subset")
    run = run_id(config, dataset.fingerprint)
    folder = out or Path("runs") / run
    if _holds_run(folder) and not overwrite:
        if read_json(folder / "config.json").get("run") != run:
            raise InputError(
                f"{folder} holds another run. Choose another --out, or replace it with --overwrite."
            )
        print_lines([f"Trained already: {folder}"])
        return 0

    arguments = model_arguments(config, num_classes=len(dataset.classes), in_channels=dataset.channels)
    model = build_model(**arguments, seed=config.seed)
    rows: list[Row] = []
    with progress_bars() as progress:

        def on_epoch(report: EpochReport) -> None:
            detail = f"loss {report.loss:.3f}, accuracy {report.accuracy:.3f}, {report.images_per_second:.0f} images/s"
            progress("training", report.epoch, config.epochs, detail)
            for metric in ("loss", "accuracy"):
                rows.append(
                    ProbeRow(
                        run=run,
                        seed=config.seed,
                        epoch=report.epoch,
                        subset="train",
                        component="full",
                        metric=metric,
                        value=getattr(report, metric),
                        count=len(dataset),
                    )
                )

        train_model(model, dataset, config, on_epoch=on_epoch, device=device)
    outcome = probe_components(as_pixel_model(model), test, (), components=(), device=device)
    rows += outcome_rows(outcome, test, run=run, seed=config.seed)
    write_run(folder, run=run, config=config, model=model, dataset=dataset, rows=rows, device=place)

    correct, total = int(outcome.correct[0].sum()), len(test)
    low, high = wilson_interval(correct, total)
    if json:
        accuracy = {"value": correct / total, "low": low, "high": high, "count": total}
        print_json({"folder": str(folder), "run": run, "test_accuracy": accuracy})
    else:
        print_lines(
            [
                f"Test accuracy {100 * correct / total:.1f}% [{100 * low:.1f}, {100 * high:.1f}] on {total} images",
                f"Run: {folder}",
            ]
        )
    return 0


def _holds_run(folder: Path) -> bool:
    return (folder / "config.json").is_file() and (folder / "weights.safetensors").is_file()
