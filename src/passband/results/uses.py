"""Which runs and measurements of a store the results of its studies rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from passband.errors import InputError, UnknownNameError
from passband.files import read_json
from passband.results.listing import Entry
from passband.results.places import ROWS, USES, Store


@dataclass(frozen=True)
class Uses:
    """What the result of a study rests on.

    Attributes:
        study: The name of its folder: study, preset and data.
        runs: What it calls each of its runs, by their ids.
        measurements: The ids of the measurements; None where the result, an earlier version's, does not say: then they are
            all those of its runs.
    """

    study: str
    runs: Mapping[str, str]
    measurements: frozenset[str] | None

    def names(self, entry: Entry) -> bool:
        """Return whether a run or a measurement is one of those."""
        if entry.kind != "measurement":
            return entry.id in self.runs
        if self.measurements is None:
            return entry.description.get("run") in self.runs
        return entry.id in self.measurements


def read_uses(store: Store) -> list[Uses]:
    """Return what the result of each study of a store rests on. Studies that have not ended have none.

    Raises:
        InputError: If a result cannot be read, so that nobody knows what it rests on.
    """
    folders = sorted(store.studies.iterdir()) if store.studies.is_dir() else []
    found = []
    for folder in folders:
        if folder.name.startswith("."):
            continue
        if (folder / USES).is_file():
            said = read_json(folder / USES)
            try:
                runs = {each["run"]: each["label"] for each in said["runs"]}
                measured = frozenset(each["measurement"] for each in said["measurements"])
            except (KeyError, TypeError) as error:
                raise InputError(
                    f"{folder / USES} does not say which runs it rests on. Run the study again, which is soon done."
                ) from error
            found.append(Uses(folder.name, runs, measured))
        elif (folder / ROWS).is_file():  # a version that did not write which they are
            try:
                rows = pl.read_parquet(folder / ROWS, columns=["run", "label"])
            except (OSError, pl.exceptions.PolarsError) as error:
                raise InputError(
                    f"{folder / ROWS} cannot be read: {error}. Run the study again, which is soon done."
                ) from error
            found.append(Uses(folder.name, dict(rows.unique().sort("run", "label").iter_rows()), None))
    return found


def find_uses(uses: Iterable[Uses], name: str) -> list[Uses]:
    """Return those of a study.

    Args:
        uses: Among which.
        name: The name of a result's folder; or the study's, which finds its results in all presets and on all data.

    Raises:
        UnknownNameError: If there is none.
    """
    uses = list(uses)
    found = [each for each in uses if each.study == name] or [
        each for each in uses if each.study.startswith(f"{name}-")
    ]
    if not found:
        raise UnknownNameError("study with a result in this store", name, [each.study for each in uses])
    return found
