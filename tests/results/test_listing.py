import subprocess
import sys

import pytest

from made_up_store import add_checkpoint, add_measurement, add_run
from passband.errors import DamagedError, InputError, UnknownNameError
from passband.results.accuracy import with_accuracies
from passband.results.listing import check_entry, find_entries, list_measurements, list_runs
from passband.results.lock import locked
from passband.results.places import Store
from passband.train.config import SCHEMA


def by_name(store):
    return {entry.name: entry for entry in with_accuracies(list_runs(Store(store)))}


def test_each_status_is_told(tmp_path):
    add_run(tmp_path, "aaaa", seed=3, accuracy=0.75)
    add_run(tmp_path, "bbbb", failure="the loss is nan after epoch 1")
    add_checkpoint(tmp_path, "cccc", 2, seed=7)
    add_checkpoint(tmp_path, "dddd", 2, says=False)
    add_run(tmp_path, "eeee", schema=None)
    add_run(tmp_path, "ffff", schema=SCHEMA + 1)
    found = by_name(tmp_path)
    said = {name: (e.status, e.epochs, e.settings.get("seed"), e.accuracy) for name, e in found.items()}
    assert said == {
        "aaaa": ("finished", (3, 3), 3, 0.75),
        "bbbb": ("failed", (None, 3), 0, None),
        "cccc": ("interrupted", (2, 3), 7, None),
        "dddd": ("interrupted", (None, None), None, None),
        "eeee": ("older", (3, 3), 0, 0.75),
        "ffff": ("newer", (3, 3), 0, 0.75),
    }
    assert found["bbbb"].why == "the loss is nan after epoch 1"
    assert [entry.data for entry in found.values()] == ["sides", "sides", "sides", "", "sides", "sides"]
    files = [*(tmp_path / "runs" / "aaaa").iterdir()]
    assert found["aaaa"].size == sum(file.stat().st_size for file in files)
    assert found["aaaa"].changed == max(file.stat().st_mtime for file in files)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", None),
        ("config.json", b"{"),
        ("config.json", b'{"kind": "run", "schema": 2}'),
        ("SHA256SUMS", None),
        ("SHA256SUMS", b""),
        ("environment.json", b"{}"),
        ("rows.parquet", None),
        ("rows.parquet", b"PAR1 cut"),
        ("weights.safetensors", None),
    ],
)
def test_what_is_missing_or_cut_is_damaged_and_the_others_are_not(tmp_path, name, content):
    add_run(tmp_path, "aaaa")
    add_run(tmp_path, "bbbb", accuracy=0.5)
    file = tmp_path / "runs" / "aaaa" / name
    file.unlink() if content is None else file.write_bytes(content)
    found = by_name(tmp_path)
    assert (found["aaaa"].status, found["bbbb"].status) == ("damaged", "finished")
    assert name in found["aaaa"].why
    assert (found["aaaa"].accuracy, found["bbbb"].accuracy) == (None, 0.5)
    with pytest.raises(DamagedError, match=name):
        check_entry(found["aaaa"])


def test_weights_that_were_changed_are_noticed_when_all_files_are_read(tmp_path):
    folder = add_run(tmp_path, "aaaa")
    (entry,) = list_runs(Store(tmp_path))
    check_entry(entry)
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    (entry,) = list_runs(Store(tmp_path))
    assert entry.status == "finished"
    with pytest.raises(DamagedError, match="weights.safetensors is damaged"):
        check_entry(entry)


def test_what_is_being_made_is_said_with_who_makes_it_and_a_lock_that_nobody_holds_is_nothing(tmp_path):
    add_checkpoint(tmp_path, "aaaa", 1)
    add_run(tmp_path, "bbbb")
    (tmp_path / "runs" / ".bbbb.lock").write_text("process 1 on elsewhere")
    (tmp_path / "runs" / ".dddd.lock").write_text("process 1 on elsewhere")
    with locked(tmp_path / "runs" / "aaaa"), locked(tmp_path / "runs" / "cccc"):
        found = by_name(tmp_path)
    assert {name: entry.status for name, entry in found.items()} == {
        "aaaa": "running",
        "bbbb": "finished",
        "cccc": "running",
    }
    assert found["aaaa"].epochs == (1, 3)
    assert "process " in found["cccc"].why
    assert " is making it" in found["cccc"].why


def test_what_is_none_of_ours_is_not_listed(tmp_path):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "events.out").touch()
    (tmp_path / "runs" / "audit").mkdir()
    (tmp_path / "runs" / "audit" / "config.json").write_text('{"kind": "audit"}')
    (tmp_path / "runs" / ".aaaa-aside-abcdefgh").mkdir()
    (tmp_path / "runs" / "notes.txt").touch()
    assert list_runs(Store(tmp_path)) == []
    assert list_runs(Store(tmp_path / "none")) == []


def test_measurements_belong_to_a_run_with_their_weights(tmp_path):
    for run in ("aaaa", "bbbb", "cccc"):
        add_run(tmp_path, run)
        add_measurement(tmp_path, f"m-{run}", run, weights="0123" if run == "bbbb" else None)
    for file in (folder := tmp_path / "runs" / "cccc").iterdir():
        file.unlink()
    folder.rmdir()
    (tmp_path / "measurements" / ".m-dddd-unfinished-0123456789abcdef").mkdir()
    found = list_measurements(Store(tmp_path), list_runs(Store(tmp_path)))
    assert [(m.name, m.status, m.why) for m in found] == [
        ("m-aaaa", "finished", ""),
        ("m-bbbb", "orphaned", "its run bbbb has other weights by now"),
        ("m-cccc", "orphaned", "the store does not hold its run cccc"),
        ("m-dddd", "interrupted", ""),
    ]


def test_a_beginning_that_one_alone_has_is_enough(tmp_path):
    for run in ("abc1", "abd2", "ab"):
        add_run(tmp_path, run)
    found = list_runs(Store(tmp_path))
    assert [entry.name for entry in find_entries(found, ["abd", "abc1", "abc"])] == ["abd2", "abc1"]
    assert [entry.name for entry in find_entries(found, ["ab"])] == ["ab"]  # whole, though others begin so
    with pytest.raises(InputError, match="3 runs and measurements begin with 'a': ab, abc1, abd2"):
        find_entries(found, ["a"])
    for name in ("x", ""):
        with pytest.raises(UnknownNameError, match="no run or measurement named"):
            find_entries(found, [name])


def test_a_list_needs_no_torch(tmp_path):
    add_run(tmp_path, "aaaa")
    code = (
        "import sys; from passband.cli.main import run; "
        f"code = run(['runs', 'list', '--store', {str(tmp_path)!r}]); "
        "assert 'torch' not in sys.modules; raise SystemExit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "75.0%" in ran.stdout
