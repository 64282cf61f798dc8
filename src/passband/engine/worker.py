"""What a process does for a run: train, measure along the way, keep checkpoints, write the run's folder.

Of several processes the first one measures and writes, while the others wait.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import torch
from lightning_fabric import Fabric

from passband.data.dataset import ImageDataset
from passband.engine.events import EpochDone, Measured, measured_in
from passband.engine.probe import Probe
from passband.environment import describe_environment, limited_threads
from passband.errors import InputError
from passband.frequency.component import FULL
from passband.instruments.components import ComponentAccuracy, image_by_image
from passband.instruments.instrument import Subject
from passband.models.catalog import build_model
from passband.models.pixels import as_pixel_model
from passband.results.store import write_run
from passband.rows import COLUMNS, FIT_ACCURACY, FIT_LOSS, PROBE_SECONDS, ComponentRow, Row, to_table
from passband.train.checkpoint import load_checkpoint, remove_checkpoint, save_checkpoint
from passband.train.config import SCHEMA, RunConfig, model_arguments
from passband.train.epoch import EpochReport, TrainingDiverged
from passband.train.learner import Learner
from passband.train.loop import fit, labelled
from passband.types import Subset

TIMES = ("training", "probe", "processor")


@dataclass
class History:
    """What a run has measured so far.

    Attributes:
        run: The run's id.
        epoch: Epochs trained.
        rows: All measurements. None of them depends on the clock.
        seconds: What training and probes took by the clock, and what all of it took of the processor in all threads of this
            process, by these names, over all sessions of the run.
    """

    run: str
    epoch: int = 0
    rows: pl.DataFrame = field(default_factory=lambda: to_table([]))
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TIMES, 0.0))

    def add(self, rows: Iterable[Row]) -> pl.DataFrame:
        """Add measurements, and return them as a table; those of time are counted apart."""
        kept = []
        for row in rows:
            if row.metric == PROBE_SECONDS:
                self.seconds["probe"] += row.value
            else:
                kept.append(row)
        added = to_table(kept)
        self.rows = pl.concat([self.rows, added])
        return added

    def state_dict(self) -> dict[str, Any]:
        """Return the history as a checkpoint holds it."""
        return {
            "run": self.run,
            "epoch": self.epoch,
            "rows": self.rows.to_dict(as_series=False),
            "seconds": self.seconds,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """Return the history that `state_dict` described."""
        rows = state["rows"]
        # An earlier version did not have all columns.
        empty = dict.fromkeys(COLUMNS, [None] * len(rows["run"]))
        times = dict.fromkeys(TIMES, 0.0) | state["seconds"]
        return cls(state["run"], state["epoch"], pl.DataFrame(empty | rows, schema=COLUMNS), times)


def work(
    fabric: Fabric,
    run: str,
    config: RunConfig,
    probe: Probe | None,
    folder: Path,
    datasets: Mapping[Subset, ImageDataset],
    threads: int | None = None,
    on_epoch: Callable[[EpochDone], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> None:
    """Train a run from its beginning or its last checkpoint to its end, and write its folder.

    Args:
        fabric: This process's part of the devices.
        run: The run's id.
        config: Its settings.
        probe: What is measured along it.
        folder: Where it is written.
        datasets: The training and the test images.
        threads: Threads of this process; None leaves them as they are.
        on_epoch: Is called after every epoch, in the first process.
        on_note: Is told what somebody should know, in every process.

    Raises:
        InputError: If the network cannot take the images.
    """
    try:
        with limited_threads(threads):
            _work(fabric, run, config, probe, folder, datasets, on_epoch, on_note)
    finally:
        if fabric.world_size > 1:  # gloo's threads, if left running, abort a process that ends
            torch.distributed.destroy_process_group()


def _work(
    fabric: Fabric,
    run: str,
    config: RunConfig,
    probe: Probe | None,
    folder: Path,
    datasets: Mapping[Subset, ImageDataset],
    on_epoch: Callable[[EpochDone], None] | None,
    on_note: Callable[[str], None] | None,
) -> None:
    original = datasets["train"]
    learned = labelled(original, config)
    judged: dict[Subset, ImageDataset] = {"train": learned, "test": datasets["test"]}
    arguments = model_arguments(config, num_classes=len(original.classes), in_channels=original.channels)
    network = build_model(**arguments, initialization=config.initialization, seed=config.seed)
    learner = Learner(fabric, network, config, original, on_note=on_note)
    history = History(run)
    state = load_checkpoint(folder)
    if state is not None:
        learner.load_state_dict(state["learner"])
        history = History.from_state(state)

    about = {"kind": "run", "schema": SCHEMA, "run": run, "config": config.resolved().to_dict()}
    earlier = history.seconds["processor"] - time.process_time()  # of the sessions before

    def after_epoch(report: EpochReport) -> None:
        history.epoch = report.epoch
        broken = None
        if fabric.is_global_zero:
            history.seconds["training"] += report.seconds
            rows = history.add(_fit_rows(report, run, config, len(original)))
            try:
                measured = history.add(_measurements(learner, judged, history, config, probe))
            except InputError as error:  # of answers that are not finite: all else was checked beforehand
                broken = (
                    f"{error} This was after epoch {report.epoch}; try a tenth of the rate {config.rate}."
                )
            else:
                history.seconds["processor"] = earlier + time.process_time()
                state = {**history.state_dict(), "learner": learner.state_dict()}
                save_checkpoint(folder, state, about | {"epoch": report.epoch})
                if on_epoch is not None:
                    on_epoch(_told(report, config, pl.concat([rows, measured])))
        broken = fabric.broadcast(broken)  # the others wait here, and hear it
        if broken is not None:
            raise TrainingDiverged(broken)

    failure = None
    try:
        fit(learner, learned, config, done=history.epoch, on_epoch=after_epoch)
    except TrainingDiverged as error:
        failure = str(error)
    if fabric.is_global_zero:
        write_run(
            folder,
            run=run,
            config=config,
            probe=None if probe is None else probe.to_dict(),
            model=network,
            datasets=datasets,
            rows=history.rows,
            environment=_environment(learner, history, len(original)),
            failure=failure,
        )
        remove_checkpoint(folder)
    fabric.barrier()


def _measurements(
    learner: Learner,
    datasets: Mapping[Subset, ImageDataset],
    history: History,
    config: RunConfig,
    probe: Probe | None,
) -> Iterator[Row]:
    """Yield what the probe measures after this epoch and, after the last one, answers to all whole images.

    The latter are rows without an epoch, those of a finished model. Training images are clean in both, whatever was
    trained on.
    """
    last = history.epoch == config.epochs
    seen = math.ceil(config.batch_size / learner.fabric.world_size)  # by this process's BatchNorm at once
    if probe is not None and probe.is_due(history.epoch, config.epochs):
        yield from probe.measure(
            learner.network,
            datasets,
            history.epoch,
            history.run,
            config.seed,
            training_batch=seen,
            final=probe.is_final(history.epoch, config.epochs),
        )
    if not last:
        return
    for subset, dataset in datasets.items():
        subject = Subject(
            as_pixel_model(learner.network),
            dataset,
            history.run,
            run_seed=config.seed,
            seed=config.seed,
            training_batch=seen,
            device=str(learner.fabric.device),
        )
        for row in image_by_image(subject.read(ComponentAccuracy(()))):
            yield replace(row, subset=subset)


def _fit_rows(report: EpochReport, run: str, config: RunConfig, count: int) -> Iterator[Row]:
    """Yield loss and accuracy on what was trained on, as it was when it was trained on."""
    component = config.trained_component
    for metric, value in ((FIT_LOSS, report.loss), (FIT_ACCURACY, report.accuracy)):
        yield ComponentRow(
            run=run,
            seed=config.seed,
            epoch=report.epoch,
            subset="train",
            component=component,
            amplitude=None if component == FULL else config.amplitude,
            metric=metric,
            value=value,
            count=count,
        )


def _told(report: EpochReport, config: RunConfig, rows: pl.DataFrame) -> EpochDone:
    measured = measured_in(rows).select("name", "value")
    return EpochDone(
        report.epoch,
        config.epochs,
        report.loss,
        report.accuracy,
        report.seconds,
        report.images_per_second,
        tuple(Measured(*each) for each in measured.drop_nulls().iter_rows()),
    )


def _environment(learner: Learner, history: History, images: int) -> dict[str, Any]:
    training, probe = history.seconds["training"], history.seconds["probe"]
    return describe_environment(learner.fabric.device) | {
        "devices": learner.fabric.world_size,
        **learner.placement.to_dict(),
        "training_seconds": training,
        "processor_seconds": history.seconds["processor"],
        "images_per_second": images * history.epoch / training if training else None,
        "probe_seconds": probe,
        "probe_share": probe / training if training else None,
    }
