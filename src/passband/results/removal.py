"""Taking results out of a store: whole, and never what somebody is making."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from passband.errors import InputError
from passband.files import remove_whole
from passband.results.listing import Entry, look_again
from passband.results.lock import find_holder, locked
from passband.results.places import Store
from passband.results.uses import Uses

LEFT = re.compile(r"\.(?P<name>.+)(?:\.lock|-aside-.{8})")
"""What writers that were killed leave beside results: a lock that nobody holds, and a folder that was not whole."""


def remove_entry(store: Store, entry: Entry) -> str | None:
    """Remove a result and what belongs to it: its checkpoint, what of it is unfinished, its curves.

    Each of these first gets a name under which nobody looks for a result: a process that is killed meanwhile leaves it whole or
    not there.

    Args:
        store: Where it is.
        entry: What was found there.

    Returns:
        Why it was left where it is; None if it is gone.

    Raises:
        InputError: If the store cannot be written.
    """
    try:
        with locked(entry.folder, wait=False):
            now = look_again(entry)
            if now is not None and now.description != entry.description:
                return "it is another one by now"
            for place in (*entry.beside, entry.folder, *_curves(store, entry)):
                if place.exists():
                    remove_whole(place)
    except TimeoutError:
        return f"{find_holder(entry.folder) or 'another process'} is making it"
    return None


def find_unused(store: Store, entries: Sequence[Entry], uses: Sequence[Uses]) -> list[Entry]:
    """Return what no study's result rests on, and measurements whose run is not there. What was interrupted is not among them:
    no result can rest on it yet.

    Args:
        store: The store.
        entries: Its runs and measurements.
        uses: What the results of its studies rest on.

    Raises:
        InputError: If that cannot be told: no study has a result, or something is being made, perhaps for one that has none yet.
    """
    running = [entry for entry in entries if entry.status == "running"]
    if running:
        raise InputError(
            f"{running[0].why.removesuffix(' is making it')} is making {running[0].name}: a study that has not ended has no result "
            "yet, and its runs would count as unused. Wait for it, or name what is to be removed."
        )
    runs = [entry for entry in entries if entry.kind != "measurement"]
    if runs and not uses:
        raise InputError(
            f"no study of {store.root} has a result, so that all of its {len(runs):,} runs would count as unused. Name those that are "
            "to be removed."
        )
    return [
        entry
        for entry in entries
        if entry.status == "orphaned"
        or (entry.status != "interrupted" and not any(use.names(entry) for use in uses))
    ]


def find_leftovers(store: Store) -> list[Path]:
    """Return what killed processes have left beside results, whose locks nobody holds."""
    return [left for left, _ in _leftovers(store)]


def remove_leftovers(store: Store) -> None:
    """Remove what `find_leftovers` found, but what belongs to a place that is being written by now."""
    for left, place in _leftovers(store):
        with suppress(TimeoutError), locked(place, wait=False):
            if left.is_dir():
                remove_whole(left)  # what `locked` itself does not know how to name


def _leftovers(store: Store) -> Iterator[tuple[Path, Path]]:
    for folder in (store.runs, store.measurements):
        for left in sorted(folder.iterdir()) if folder.is_dir() else ():
            found = LEFT.fullmatch(left.name)
            if found is not None and find_holder(place := folder / found["name"]) is None:
                yield left, place


def _curves(store: Store, entry: Entry) -> Iterable[Path]:
    """Return where the curves of a run are among those of studies."""
    return store.curves.glob(f"*-{glob.escape(entry.id)}") if entry.kind != "measurement" else ()
