"""Telling trackers of runs: on a thread of its own, so that nobody waits for them, and one that fails harms nobody."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from passband.errors import InputError, PassbandError
from passband.tracking.curves import Curves, read_curves, read_curves_so_far
from passband.tracking.tracker import Outcome, Session, Tracked, Tracker
from passband.user_modules import said

PATIENCE = 60.0
"""Seconds that are waited at the end for what trackers have not taken yet: one may wait for a network that is away."""


@dataclass
class Told:
    """What a tracker is being told of a run.

    Attributes:
        session: What takes it.
        last: The last epoch that it has.
        skipped: Whether it lacks one before that.
    """

    session: Session
    last: int
    skipped: bool = field(default=False)

    def take(self, curves: Curves) -> None:
        """Log what comes after the last epoch that it has."""
        for epoch, values in sorted(curves.items()):
            if epoch > self.last:
                self.skipped |= epoch > self.last + 1
                self.session.log(epoch, values)
                self.last = epoch


class Recorder:
    """Tells trackers of runs. A context manager: leaving it waits for what they have not taken yet.

    A tracker that fails is not told of that run any more, which is noted once. It is told all of it when the run is found in the store.

    Args:
        trackers: Whom to tell.
        on_note: Is told, once for each tracker, that it failed; by the thread of this recorder.
    """

    def __init__(self, trackers: Sequence[Tracker], on_note: Callable[[str], None]) -> None:
        self._trackers, self._on_note = tuple(trackers), on_note
        self._told: dict[tuple[str, str], Told] = {}
        self._failed: set[tuple[str, str]] = set()
        self._noted: set[str] = set()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def epoch(self, run: Tracked, epoch: int, values: Mapping[str, float]) -> None:
        """Tell what was measured after an epoch, once the run's checkpoint has it too.

        Args:
            run: Which run.
            epoch: Which epoch, counted from 1. Those before it, if they were not told here, are told too.
            values: Numbers by name.
        """
        self._put(partial(self._log, run, epoch, dict(values)))

    def ended(self, run: Tracked, outcome: Outcome) -> None:
        """Tell that a run has ended, now or long ago. A tracker that has all of it already is not told again."""
        self._put(partial(self._end, run, outcome))

    def close(self, patience: float = PATIENCE) -> None:
        """Wait for what trackers have not taken yet. Runs whose end they were not told of count as interrupted."""
        if self._thread is None:
            return
        self._work.put(self._leave)
        self._work.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            names = " and ".join(tracker.name for tracker in self._trackers)
            self._on_note(
                f"{names} did not take all curves within {patience:.0f} s. What is lacking they are told when the same command finds its "
                "runs in the store."
            )

    def __enter__(self) -> Recorder:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait, as `close` does."""
        self.close()

    def _put(self, work: Callable[[], None]) -> None:
        self._work.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="trackers")
            self._thread.start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _log(self, run: Tracked, epoch: int, values: dict[str, float]) -> None:
        def tell(tracker: Tracker) -> None:
            told = self._begin(tracker, run)
            # An earlier session measured what is lacking, and may have died before it told.
            if told.last + 1 < epoch:
                told.take({e: each for e, each in _so_far(run.folder).items() if e < epoch})
            told.take({epoch: values})

        for tracker in self._trackers:
            self._try(tracker, run, tell)

    def _end(self, run: Tracked, outcome: Outcome) -> None:
        asked = [
            each
            for each in self._trackers
            if self._key(each, run) in self._told or not _mark(each, run).exists()
        ]
        if not asked:
            return
        whole = cache(partial(_whole, run.folder))

        def tell(tracker: Tracker) -> None:
            curves = whole()
            if not curves and self._key(tracker, run) not in self._told:
                return
            told = self._begin(tracker, run)
            told.take(curves)
            if told.skipped:  # nobody knew then what was lacking
                told.session.finish("interrupted")
                told = self._begin(tracker, run, anew=True)
                told.take(curves)
            told.session.finish(outcome)
            del self._told[self._key(tracker, run)]
            if curves:
                _mark(tracker, run).touch()

        for tracker in asked:
            self._try(tracker, run, tell)

    def _leave(self) -> None:
        for tracker in self._trackers:
            for (place, _), told in list(self._told.items()):
                if place == tracker.place:
                    try:
                        told.session.finish("interrupted")
                    except Exception as error:
                        self._note(tracker, error)

    def _try(self, tracker: Tracker, run: Tracked, tell: Callable[[Tracker], None]) -> None:
        key = self._key(tracker, run)
        if key in self._failed:
            return
        try:
            tell(tracker)
        except Exception as error:  # of a network, a disk, a server: whatever it is, the runs go on
            self._told.pop(key, None)
            self._failed.add(key)
            self._note(tracker, error)

    def _begin(self, tracker: Tracker, run: Tracked, *, anew: bool = False) -> Told:
        key = self._key(tracker, run)
        if anew or key not in self._told:
            run.curves.mkdir(parents=True, exist_ok=True)
            _mark(tracker, run).unlink(missing_ok=True)
            self._told[key] = Told(*tracker.start(run))
        return self._told[key]

    def _note(self, tracker: Tracker, error: Exception) -> None:
        if tracker.name in self._noted:
            return
        self._noted.add(tracker.name)
        why = str(error) if isinstance(error, PassbandError) else said(error)
        self._on_note(
            f"{tracker.name} failed ({why}) and lacks curves now. The runs go on; what is lacking it is told when the same command finds "
            "them in the store."
        )

    @staticmethod
    def _key(tracker: Tracker, run: Tracked) -> tuple[str, str]:
        return tracker.place, run.id


def _mark(tracker: Tracker, run: Tracked) -> Path:
    """Return the file that is there once a tracker was told all of a run that has ended."""
    return run.curves / f".{tracker.place}"


def _whole(folder: Path) -> Curves:
    """Return the curves of a run that has ended; none if it crashed, and left no rows."""
    try:
        return read_curves(folder)
    except InputError:
        return {}


def _so_far(folder: Path) -> Curves:
    """Return what is known of the curves of a run: from its checkpoint, or if that is gone, since it has ended, from its rows."""
    for read in (read_curves_so_far, read_curves):
        try:
            if curves := read(folder):
                return curves
        except InputError:
            continue
    return {}
