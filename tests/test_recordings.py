"""The numbers that commands gave before the code was laid out anew, and what version 0.1 wrote."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

import killed_runs
import recordings

CLOSE = 1e-5
"""Values are those of one machine; another one may round otherwise."""


def killed_while_training(folder: str) -> None:
    """Train as `recordings.TRAIN` says, and be killed before the second epoch's checkpoint."""
    os.chdir(folder)
    torch.set_num_threads(1)
    killed_runs.kill_at("before a checkpoint", call=2)
    recordings.run_here(recordings.TRAIN)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> tuple[dict[str, pl.DataFrame], dict[str, dict], bytes]:
    """Run the commands again, the training interrupted by a kill; return tables, cards and the weights that were trained."""
    folder, home = tmp_path_factory.mktemp("recordings"), Path.cwd()
    process = multiprocessing.get_context("spawn").Process(target=killed_while_training, args=(str(folder),))
    process.start()
    process.join()
    assert process.exitcode == -9
    os.chdir(folder)
    try:
        tables = recordings.record(recordings.run_here)
        return tables, recordings.cards(), weights_of(folder / "run")
    finally:
        os.chdir(home)


def weights_of(run: Path) -> bytes:
    """Return the weights of a run as they lie in its file, without what is said of them there."""
    return b"".join(
        value.numpy().tobytes() for _, value in sorted(load_file(run / "weights.safetensors").items())
    )


NAMES = sorted(path.stem for path in (recordings.FOLDER / "rows").glob("*.parquet"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_tables_hold_the_recorded_values(found, name):
    if name == "run" and found[2] != weights_of(recordings.NETWORK):
        pytest.skip("this machine rounds otherwise than the one of the recording, and trains other weights")
    expected = pl.read_parquet(recordings.FOLDER / "rows" / f"{name}.parquet")
    expected = expected.with_columns(pl.col(pl.String).str.replace_all("low:", "lfc:", literal=True))
    actual = found[0][name].select(expected.columns)
    if "metric" in expected.columns:  # instruments may be added
        actual = actual.filter(pl.col("metric").is_in(expected["metric"].unique().to_list()))
    assert len(actual) == len(expected)
    keys = [column for column in expected.columns if not expected.schema[column].is_float()]
    keys += [key for key in recordings.KEYS if key in expected.columns and key not in keys]
    numbers = [column for column in expected.columns if column not in keys]
    actual, expected = (table.sort(keys, maintain_order=True) for table in (actual, expected))
    assert actual.select(keys).equals(expected.select(keys))
    for column in numbers:
        for one, other in zip(actual[column], expected[column], strict=True):
            same = one is None and other is None
            assert same or math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE), (name, column, one, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(recordings.CARDS))
def test_cards_say_what_they_said(found, name):
    text = (recordings.FOLDER / "rows" / f"{name}.json").read_text()
    recorded = json.loads(text.replace("low:", "lfc:"))  # the name of a band changed with the noun
    for attack in recorded["robustness"]:
        if attack["attack"]["name"] == "fgsm":  # which has no steps, starts and shares, and no longer says so
            attack["attack"] = {name: attack["attack"][name] for name in ("name", "norm", "band")}
    assert differences(recorded, found[1][name]) == []


def differences(recorded: object, actual: object, path: str = "") -> list[str]:
    """Return where a card no longer says what was recorded; it may say more."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        missing = [f"{path}.{key} is missing" for key in recorded if key not in actual]
        shared = (key for key in recorded if key in actual and key != "source")
        return missing + [
            d for key in shared for d in differences(recorded[key], actual[key], f"{path}.{key}")
        ]
    if isinstance(recorded, list) and isinstance(actual, list) and len(recorded) == len(actual):
        pairs = enumerate(zip(recorded, actual, strict=True))
        return [d for index, (one, other) in pairs for d in differences(one, other, f"{path}[{index}]")]
    if isinstance(recorded, float) and isinstance(actual, int | float):
        if math.isclose(recorded, actual, rel_tol=CLOSE, abs_tol=CLOSE):
            return []
    elif recorded == actual:
        return []
    return [f"{path}: {recorded!r} became {actual!r}"]
