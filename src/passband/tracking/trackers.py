"""Trackers that look on while planned work is done, whatever engine does it: they are told in the process that planned it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from passband.engine.detection import PlannedDetector
from passband.engine.events import EpochDone, Event
from passband.engine.execute import Ended
from passband.engine.plan import PlannedRun
from passband.engine.planned import Planned
from passband.engine.watch import Watch
from passband.files import slug
from passband.results.places import Store
from passband.rows import FIT_LOSS
from passband.tracking.curves import drop_doubled
from passband.tracking.recorder import Recorder
from passband.tracking.tracker import Tracked, Tracker


class Trackers(Watch):
    """Tells trackers of runs and detectors; measurements have no curves.

    TensorBoard's files of a run are in `STORE/tensorboard/NAME-ID`.

    Args:
        trackers: Whom to tell.
        on_note: Is told, once for each of them, that it failed.
    """

    def __init__(self, trackers: Sequence[Tracker], on_note: Callable[[str], None]) -> None:
        self._recorder = Recorder(trackers, on_note)
        self._runs: dict[str, Tracked] = {}

    def begin(self, planned: Sequence[Planned], names: Mapping[str, str]) -> None:
        """Learn which runs there are, and what people call them."""
        for one in planned:
            if isinstance(one, PlannedRun | PlannedDetector):
                name = names.get(one.id, one.id)
                curves = Store(one.folder.parents[1]).curves / f"{slug(name)}-{one.id}"
                self._runs[one.id] = Tracked(
                    one.id, name, one.folder, curves, one.config.resolved().to_dict()
                )

    def event(self, planned: Planned, event: Event) -> None:
        """Tell of an epoch."""
        if isinstance(event, EpochDone) and planned.id in self._runs:
            self._recorder.epoch(self._runs[planned.id], event.epoch, values_of(event))

    def ended(self, ended: Ended) -> None:
        """Tell of an end."""
        if (run := self._runs.get(ended.planned.id)) is not None:
            self._recorder.ended(run, "failed" if ended.status == "failed" else "finished")

    def finish(self) -> None:
        """Wait for what the trackers have not taken yet."""
        self._recorder.close()


def values_of(event: EpochDone) -> dict[str, float]:
    """Return what an epoch came to, by the names that the rows of the run give it: see `passband.tracking.curves`."""
    return drop_doubled(event.measured) or {f"train/{FIT_LOSS}": event.loss}
