"""Stores of other versions of passband: refused before anything is trained, never passed over without a word.

A schema is raised where equal settings give other numbers, so such results cannot be made into ones of this version. They are
kept as they are, and read.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from passband.errors import InputError
from passband.files import read_json
from passband.results.places import CONFIG, Store
from passband.train.config import SCHEMA, RunConfig


def check_schema(store: Path, planned: Collection[str] = ()) -> None:
    """Refuse a store in which runs of another schema lie, which would not be found.

    Args:
        store: The folder of all results.
        planned: Ids of runs of this version, which need not be looked at.

    Raises:
        InputError: If it holds such runs; it says how many, what would become of them, and how to keep them.
    """
    others = find_other_schemas(Store(store).runs, planned)
    if not others:
        return
    schemas = ", ".join(map(str, sorted(set(others.values()))))
    newer = max(others.values()) > SCHEMA
    drop = "" if newer else f" Or drop them: passband runs remove --older --store {store}."
    raise InputError(
        f"{store} holds {len(others):,} run{'s' * (len(others) > 1)} of {'a newer' if newer else 'an older'} version of passband (schema "
        f"{schemas}; this version has {SCHEMA}), which gives other numbers under equal settings. None of them would be found, and what is "
        f"needed would be trained anew. Keep them and take another --store: `passband runs list --store {store}` shows them, `passband runs "
        f"export` takes their rows, and their folders stay models.{drop}"
    )


def find_other_schemas(runs: Path, planned: Collection[str] = ()) -> dict[Path, int]:
    """Return those in a folder of runs and detectors that another schema made, with their schemas; version 0.1 wrote none, and is 1."""
    found = {}
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        if folder.name.startswith(".") or folder.name in planned:
            continue
        try:
            description = read_json(folder / CONFIG)
        except InputError:  # no run, or a damaged one, which is made anew with a note
            continue
        if isinstance(description, dict) and description.get("kind") in ("run", "detector"):
            schema = description.get("schema", 1)
            if schema != SCHEMA:
                found[folder] = schema
    return found


def find_equal_settings(runs: Path, config: RunConfig) -> dict[Path, int]:
    """Return those in a folder of runs that another schema made with these settings, with their schemas."""
    return {
        folder: schema
        for folder, schema in find_other_schemas(runs).items()
        if _settings(folder) == config.resolved()
    }


def _settings(folder: Path) -> RunConfig | None:
    try:
        return RunConfig.from_dict(read_json(folder / CONFIG)["config"]).resolved()
    except (InputError, KeyError):  # a detector, or settings that this version does not know
        return None
