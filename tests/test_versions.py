"""What version 0.1 wrote is read, or refused with a message that says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

import passband as pb
from passband.audit.card import read_card
from passband.audit.compare import compare
from passband.cli.main import run
from passband.errors import InputError
from passband.rows import COLUMNS, read_table

OLD = Path(__file__).parent / "recorded" / "version-0.1"


def test_runs_and_smoothed_models_are_models():
    data = pb.load_dataset("fashion-mnist", limit=100)
    model = pb.load_model(OLD / "run")
    right = (model(data.images / 255).argmax(1) == data.labels).double().mean().item()
    assert right == pytest.approx(read_card(OLD / "audit").clean.accuracy.value)
    smooth = pb.load_model(OLD / "smoothed")
    expected = pb.smoothed(model, rho=0.5)(data.images / 255)
    assert (smooth(data.images / 255) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("folder", ["run", "audit", "attack"])
def test_rows_are_read_with_the_columns_of_today(folder):
    table = read_table(OLD / folder / "rows.parquet", COLUMNS)
    assert table.schema == COLUMNS
    low = table.filter(pl.col("component") == "lfc")
    assert low["shown"].null_count() == 0
    assert set(low["shown"].unique()) <= {"lfc:2", "lfc:4", "lfc:8"}


def test_an_audit_is_compared_with_one_of_today(tmp_path):
    data = pb.load_dataset("fashion-mnist", limit=100)
    now = pb.audit(pb.load_model(OLD / "run"), data, radii=[2, 4, 8], ceiling_samples=0)
    now.save(tmp_path)
    found = compare(OLD / "audit", tmp_path)
    assert found.pairing == "paired on 100 samples"
    measured = {difference.measure: difference for difference in found.differences}
    for measure in ("clean", "lfc@4", "hfc@8"):
        assert measured[measure].first == measured[measure].second


def test_the_page_of_an_audit_cannot_be_made_again_and_the_message_says_what_to_do(capsys):
    assert run(["report", str(OLD / "audit")]) == 2
    assert "pictures.safetensors is missing: version 0.1 wrote none" in capsys.readouterr().err
    with pytest.raises(InputError, match="run `passband audit` again"):
        pb.Audit.load(OLD / "audit")


def test_training_does_not_take_the_place_of_an_old_run_without_being_asked(tmp_path, monkeypatch, capsys):
    shutil.copytree(OLD / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    line = (
        "train fashion-mnist --limit 500 --width 4 --epochs 4 --batch-size 20 --model resnet8 --batch-norm "
        "--learning-rate 3e-3 --probe full --probe-radii 4 8 --out run --device cpu"
    )
    before = (tmp_path / "run" / "config.json").read_bytes()
    assert run(line.split()) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "run" / "config.json").read_bytes() == before
