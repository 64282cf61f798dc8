"""What a store holds, at a glance: each run, detector and measurement, and how far it is.

A glance reads what describes a result, and looks whether its files are there. What is in them is for `check_entry`, which reads
all of them. Neither needs torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from passband.errors import DamagedError, InputError, UnknownNameError, few
from passband.files import (
    CHECKPOINT,
    CURVES,
    PROGRESS,
    SEAL,
    check_seal,
    checkpoint_folder,
    has_weights,
    read_json,
)
from passband.results.lock import find_holder
from passband.results.places import CONFIG, ROWS, WEIGHTS, Store
from passband.train.settings import SCHEMA

Status = Literal["finished", "failed", "interrupted", "running", "damaged", "older", "newer", "orphaned"]
"""Failed: its loss was no longer finite; its rows until then are there. Running: a process is making it now. Older, newer: made by
a version of passband that gives other numbers under equal settings. Orphaned: of a network that the store does not hold."""

RUNS, MEASUREMENTS = ("run", "detector"), ("measurement",)
"""What `config.json` says in the two folders of a store."""

BESIDE = re.compile(r"\.(?P<name>.+?)(\.lock|-unfinished-[0-9a-f]{16})")
"""What lies beside results that are being made, or were: what is left of writers that were killed is for `removal`."""


@dataclass(frozen=True)
class Entry:
    """One place of a store, and what is there.

    Attributes:
        folder: Where its result is, or will be.
        status: How far it is.
        why: Why it failed or is damaged, or who is making it; else empty.
        description: What its `config.json` says; empty if none can be read.
        progress: What its checkpoint says of itself; empty if there is none, or one of a version that did not say it.
        beside: What else is there of it: its checkpoint, what of it is unfinished, its curves.
        size: Bytes of all of these.
        changed: When it was changed last, in seconds since 1970.
        accuracy: On whole test images, as a fraction; None until `with_accuracies` has read it, or if there is none.
    """

    folder: Path
    status: Status
    why: str = ""
    description: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[Path, ...] = ()
    size: int = 0
    changed: float = 0.0
    accuracy: float | None = None

    @property
    def name(self) -> str:
        """What it is called: its id, unless somebody chose its folder's name."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """A run, a detector or a measurement; empty where nothing tells."""
        return str(self._about.get("kind", ""))

    @property
    def id(self) -> str:
        """Its id, which rows and measurements name it by."""
        called = "measurement" if self.kind == "measurement" else "run"
        return str(self._about.get(called, self.name))

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its settings, as JSON holds them; empty where nothing tells."""
        return self._about.get("settings" if self.kind == "measurement" else "config") or {}

    @property
    def epochs(self) -> tuple[int | None, int | None]:
        """How many epochs are done and how many there will be; None where nothing tells."""
        total = self.settings.get("epochs")
        if self.description:
            return (None if self.status == "failed" else total), total
        return self.progress.get("epoch"), total

    @property
    def data(self) -> str:
        """The data that it was made of, as a command names them; empty where nothing tells."""
        named = self.settings.get("dataset") or self.settings.get("scenes")
        return str(named or self.description.get("data", {}).get("name", ""))

    @property
    def _about(self) -> Mapping[str, Any]:
        return self.description or self.progress


def list_runs(store: Store) -> list[Entry]:
    """Return the runs and detectors of a store by name: what is whole, and what is not."""
    return list(_entries(store.runs, RUNS))


def list_measurements(store: Store, runs: Iterable[Entry]) -> list[Entry]:
    """Return the measurements of a store by name.

    Args:
        store: The store.
        runs: Its runs: a finished measurement of none of them, or of one that has other weights by now, is orphaned.
    """
    weights = {run.id: run.description.get("weights_hash") for run in runs if run.description}
    return [_with_its_run(entry, weights) for entry in _entries(store.measurements, MEASUREMENTS)]


def find_entries(entries: Iterable[Entry], names: Iterable[str]) -> list[Entry]:
    """Return those that are named, each once, in their order.

    Args:
        entries: Among which.
        names: Ids or names of folders, or beginnings of them that only one has.

    Raises:
        UnknownNameError: If there is none of a name.
        InputError: If several begin so.
    """
    entries, found = list(entries), {}
    for name in names:
        whole = [each for each in entries if each.name == name]
        close = whole or [each for each in entries if name and name in (each.id, each.name[: len(name)])]
        if not close:
            raise UnknownNameError("run or measurement", name, [each.name for each in entries])
        if len(close) > 1:
            several = few([each.name for each in close], 5)
            raise InputError(
                f"{len(close):,} runs and measurements begin with {name!r}: {several}. Write more of it."
            )
        found[close[0].folder] = close[0]
    return list(found.values())


def look_again(entry: Entry) -> Entry | None:
    """Return what is at the place of an entry by now, whoever holds its lock; None if nothing is."""
    kinds = (
        MEASUREMENTS if entry.kind == "measurement" else (*RUNS, *MEASUREMENTS) if not entry.kind else RUNS
    )
    return _entry(entry.folder, kinds, [each for each in entry.beside if each.exists()], None)


def check_entry(entry: Entry) -> None:
    """Read all files of a result and compare them with its checksums; of version 0.1, which wrote none, none is read.

    Raises:
        DamagedError: If a file of it is missing, cut or changed.
    """
    if entry.status == "damaged":
        raise DamagedError(entry.why)
    if (entry.folder / SEAL).is_file():
        check_seal(entry.folder, _expected(entry.description))


def _entries(place: Path, kinds: Collection[str]) -> Iterator[Entry]:
    folders, beside, locks = set(), dict[str, list[Path]](), set()
    for each in os.scandir(place) if place.is_dir() else ():
        if (hidden := BESIDE.fullmatch(each.name)) is not None:
            if each.name.endswith(".lock"):
                locks.add(hidden["name"])
            else:
                beside.setdefault(hidden["name"], []).append(Path(each.path))
        elif each.name.startswith("."):
            continue
        elif Path(each.name).suffix in (CHECKPOINT, CURVES):
            beside.setdefault(Path(each.name).stem, []).append(Path(each.path))
        elif each.is_dir():
            folders.add(each.name)
    for name in sorted(folders | beside.keys() | locks):
        holder = find_holder(place / name) if name in locks else None
        entry = _entry(place / name, kinds, sorted(beside.get(name, [])), holder)
        if entry is not None:
            yield entry


def _entry(folder: Path, kinds: Collection[str], beside: list[Path], holder: str | None) -> Entry | None:
    """Return what is at a place of a store; None if it is nothing of ours."""
    found = _glance(folder, kinds)
    begun = [each for each in beside if each.suffix != CURVES]
    if found is None and (folder.exists() or not (begun or holder)):
        return None
    status, why, description = found or ("interrupted", "", {})
    if holder is not None:
        status, why = "running", f"{holder} is making it"
    size, changed = _size(folder if found else None, *beside)
    progress = _read_progress(checkpoint_folder(folder)) if begun else {}
    return Entry(folder, status, why, description, progress, tuple(beside), size, changed)


def _glance(folder: Path, kinds: Collection[str]) -> tuple[Status, str, dict[str, Any]] | None:
    """Return the status of a folder, why, and what its `config.json` says; None if it is no result, or there is none."""
    file = folder / CONFIG
    sealed = (folder / SEAL).is_file()
    try:
        description = read_json(file)
    except InputError as error:
        ours = sealed or file.is_file() or (folder / ROWS).is_file()
        return ("damaged", str(error), {}) if ours else None
    if not isinstance(description, dict) or description.get("kind") not in kinds:
        return None
    try:
        _check_quickly(folder, description, sealed=sealed)
    except DamagedError as error:
        return "damaged", str(error), description
    schema = description.get("schema", 1)
    if schema != SCHEMA:
        return ("older" if schema < SCHEMA else "newer"), "", description
    failed = description.get("status") == "failed"
    return ("failed" if failed else "finished"), str(description.get("message") or ""), description


def _check_quickly(folder: Path, description: Mapping[str, Any], *, sealed: bool) -> None:
    names = _expected(description)
    if sealed or "schema" in description:
        check_seal(folder, names, unread=(ROWS, WEIGHTS))
    for name in names:
        if not (folder / name).is_file():
            raise DamagedError(f"{folder / name} is missing")


def _expected(description: Mapping[str, Any]) -> list[str]:
    """Return the files that a result must have."""
    return [CONFIG, ROWS, WEIGHTS] if has_weights(description) else [CONFIG, ROWS]


def _read_progress(checkpoint: Path) -> dict[str, Any]:
    try:
        progress = read_json(checkpoint / PROGRESS)
    except InputError:  # of a version that did not write it
        return {}
    return progress if isinstance(progress, dict) else {}


def _with_its_run(entry: Entry, weights: Mapping[str, str | None]) -> Entry:
    if entry.status != "finished":
        return entry
    run = entry.description["run"]
    if run not in weights:
        return replace(entry, status="orphaned", why=f"the store does not hold its run {run}")
    if weights[run] != entry.description.get("weights_hash"):
        return replace(entry, status="orphaned", why=f"its run {run} has other weights by now")
    return entry


def _size(*places: Path | None) -> tuple[int, float]:
    """Return how many bytes places have together, and when they were changed last, in seconds since 1970."""
    size, changed = 0, 0.0
    for place in places:
        if place is None:
            continue
        for folder, _, names in os.walk(place):
            for name in names:
                try:
                    found = os.stat(os.path.join(folder, name))
                except OSError:  # gone meanwhile
                    continue
                size, changed = size + found.st_size, max(changed, found.st_mtime)
    return size, changed
