import os
import subprocess
import sys
import textwrap

import pytest

from made_up_store import add_checkpoint, add_measurement, add_run, add_study
from passband import files
from passband.errors import InputError
from passband.results.listing import list_measurements, list_runs
from passband.results.lock import locked
from passband.results.places import Store
from passband.results.removal import find_leftovers, find_unused, remove_entry, remove_leftovers
from passband.results.uses import find_uses, read_uses


def look(store):
    runs = list_runs(Store(store))
    return {entry.name: entry for entry in (*runs, *list_measurements(Store(store), runs))}


def test_a_run_goes_with_all_that_belongs_to_it(tmp_path):
    add_run(tmp_path, "aaaa")
    add_checkpoint(tmp_path, "aaaa", 1)
    (tmp_path / "runs" / "aaaa.tensorboard").mkdir()
    (tmp_path / "tensorboard" / "vanilla-seed-0-aaaa").mkdir(parents=True)
    (tmp_path / "tensorboard" / "vanilla-seed-0-bbbb").mkdir()
    assert remove_entry(Store(tmp_path), look(tmp_path)["aaaa"]) is None
    assert list((tmp_path / "runs").iterdir()) == []
    assert [place.name for place in (tmp_path / "tensorboard").iterdir()] == ["vanilla-seed-0-bbbb"]


def test_what_is_being_made_stays(tmp_path):
    add_checkpoint(tmp_path, "aaaa", 1)
    entry = look(tmp_path)["aaaa"]
    with locked(tmp_path / "runs" / "aaaa"):
        assert f"process {os.getpid()} " in remove_entry(Store(tmp_path), entry)
    assert look(tmp_path)["aaaa"].status == "interrupted"


def test_what_was_interrupted_when_it_was_looked_at_and_has_ended_since_stays(tmp_path):
    add_checkpoint(tmp_path, "aaaa", 1)
    entry = look(tmp_path)["aaaa"]
    add_run(tmp_path, "aaaa")
    assert remove_entry(Store(tmp_path), entry) == "it is another one by now"
    assert look(tmp_path)["aaaa"].status == "finished"


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from passband import files
    from passband.results.listing import list_runs
    from passband.results.places import Store
    from passband.results.removal import remove_entry

    count, store = int(sys.argv[1]), Store(Path(sys.argv[2]))
    original, calls = os.unlink, []

    def unlink(*arguments, **settings):
        calls.append(1)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **settings)

    os.unlink = unlink
    (entry,) = list_runs(store)
    remove_entry(store, entry)
"""


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_killed_while_it_removes_nothing_half_removed_looks_whole(tmp_path, count):
    add_run(tmp_path, "aaaa")
    add_checkpoint(tmp_path, "aaaa", 1)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(count), str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -9
    for entry in list_runs(Store(tmp_path)):
        assert entry.status in ("finished", "interrupted")
        if entry.status == "finished":
            assert {file.name for file in entry.folder.iterdir()} >= {"config.json", "weights.safetensors"}
    assert find_leftovers(Store(tmp_path)) != []
    remove_leftovers(Store(tmp_path))
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.name.startswith(".")] == []


def test_of_a_link_only_the_link_goes(tmp_path):
    folder = add_run(tmp_path / "elsewhere", "aaaa")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "aaaa").symlink_to(folder)
    assert remove_entry(Store(tmp_path), look(tmp_path)["aaaa"]) is None
    assert list((tmp_path / "runs").iterdir()) == []
    assert (folder / "weights.safetensors").exists()


def test_a_full_disk_does_not_keep_a_run_from_being_removed(tmp_path, monkeypatch):
    folder = add_run(tmp_path, "aaaa")

    def full(*arguments, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.tempfile, "mkdtemp", full)
    files.remove_whole(folder)
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.fixture
def used(tmp_path):
    """Return a store of two studies, one of an earlier version, and what none of them uses."""
    for run in ("aaaa", "bbbb", "cccc"):
        add_run(tmp_path, run)
        add_measurement(tmp_path, f"m-{run}", run)
        add_measurement(tmp_path, f"n-{run}", run)
    add_measurement(tmp_path, "orphan", "aaaa", weights="0123")
    add_checkpoint(tmp_path, "dddd", 1)
    add_study(tmp_path, "first-smoke-mnist", {"aaaa": "vanilla"}, ["m-aaaa"])
    add_study(tmp_path, "second-smoke-mnist", {"bbbb": "mixup"}, None)
    return tmp_path


def test_unused_is_what_no_result_rests_on_and_what_has_no_run(used):
    found = find_unused(Store(used), [*look(used).values()], read_uses(Store(used)))
    assert {entry.name for entry in found} == {"cccc", "m-cccc", "n-cccc", "n-aaaa", "orphan"}


def test_while_something_is_being_made_or_no_study_has_ended_nothing_is_unused(used):
    with (
        locked(used / "measurements" / "another"),
        pytest.raises(InputError, match="process .* is making another: a study that has not ended"),
    ):
        find_unused(Store(used), [*look(used).values()], read_uses(Store(used)))
    with pytest.raises(
        InputError, match="no study of .* has a result, so that all of its 4 runs would count"
    ):
        find_unused(Store(used), [*look(used).values()], [])


def test_a_study_is_found_by_its_name_and_by_that_of_its_folder(used):
    uses = read_uses(Store(used))
    assert [use.study for use in find_uses(uses, "first")] == ["first-smoke-mnist"]
    assert [use.runs for use in find_uses(uses, "second-smoke-mnist")] == [{"bbbb": "mixup"}]
    with pytest.raises(
        InputError, match="no study with a result in this store named 'fir'. Known: first-smoke"
    ):
        find_uses(uses, "fir")


@pytest.mark.parametrize(("study", "name"), [("first", "uses.json"), ("second", "rows.parquet")])
@pytest.mark.parametrize("content", [b"{}", b"", b"[1]"])
def test_a_result_that_does_not_say_what_it_rests_on_is_an_error(used, study, name, content):
    (used / "studies" / f"{study}-smoke-mnist" / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}"):
        read_uses(Store(used))


def test_leftovers_are_what_killed_processes_left_and_no_one_holds(tmp_path):
    add_run(tmp_path, "aaaa")
    runs = tmp_path / "runs"
    (runs / ".aaaa-aside-abcdefgh").mkdir()
    (runs / ".bbbb.lock").touch()
    with locked(runs / "cccc"):
        (runs / ".cccc-aside-abcdefgh").mkdir()
        assert [path.name for path in find_leftovers(Store(tmp_path))] == [
            ".aaaa-aside-abcdefgh",
            ".bbbb.lock",
        ]
        remove_leftovers(Store(tmp_path))
        left = {".cccc-aside-abcdefgh", ".cccc.lock", "aaaa"}
        assert {path.name for path in runs.iterdir()} == left
