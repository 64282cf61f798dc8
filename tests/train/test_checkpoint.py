from __future__ import annotations

import os

import pytest
import torch

from passband.errors import DamagedError
from passband.train.checkpoint import checkpoint_folder, load_checkpoint, remove_checkpoint, save_checkpoint

STATE = {
    "run": "abc",
    "epoch": 3,
    "seconds": {"training": 0.1},
    "rows": {"value": [0.1, None, float("nan")], "component": ["full", "lfc", None]},
    "weights": {"a": torch.rand(2, 3), "b": torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)},
}


def test_what_is_saved_is_loaded(tmp_path):
    save_checkpoint(tmp_path / "deep" / "run", {"epoch": 1})
    save_checkpoint(tmp_path / "deep" / "run", STATE)
    again = load_checkpoint(tmp_path / "deep" / "run")
    assert {name: again[name] for name in ("run", "epoch", "seconds")} == {
        name: STATE[name] for name in ("run", "epoch", "seconds")
    }
    assert repr(again["rows"]) == repr(STATE["rows"])  # NaN is not equal to itself
    for name, tensor in STATE["weights"].items():
        assert torch.equal(again["weights"][name], tensor)
        assert again["weights"][name].stride() == tensor.stride()
    assert [file.name for file in checkpoint_folder(tmp_path / "deep" / "run").iterdir()] == ["state.pt"]


def test_where_there_is_none(tmp_path):
    assert load_checkpoint(tmp_path / "run") is None
    remove_checkpoint(tmp_path / "run")


def test_a_write_that_breaks_off_leaves_the_last_one(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "run", {"epoch": 1})
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            save_checkpoint(tmp_path / "run", {"epoch": 2})
    assert load_checkpoint(tmp_path / "run") == {"epoch": 1}
    save_checkpoint(tmp_path / "run", {"epoch": 2})
    assert load_checkpoint(tmp_path / "run") == {"epoch": 2}


@pytest.mark.parametrize("cut", [0, 10, 60, 300, -1])
def test_a_cut_one_is_damaged(tmp_path, cut):
    save_checkpoint(tmp_path / "run", STATE)
    file = checkpoint_folder(tmp_path / "run") / "state.pt"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(DamagedError, match=r"run.checkpoint/state.pt"):
        load_checkpoint(tmp_path / "run")


def test_a_flipped_bit_anywhere_is_damage(tmp_path):
    save_checkpoint(tmp_path / "run", STATE)
    file = checkpoint_folder(tmp_path / "run") / "state.pt"
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(DamagedError, match="state.pt"):
            load_checkpoint(tmp_path / "run")


def test_one_of_version_0_1_is_not_believed(tmp_path):
    checkpoint_folder(tmp_path / "run").mkdir()
    torch.save({"run": "abc", "epoch": 1}, checkpoint_folder(tmp_path / "run") / "state.pt")
    with pytest.raises(DamagedError, match="no checkpoint of this version"):
        load_checkpoint(tmp_path / "run")


def test_nothing_in_it_is_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "owned"),))

    save_checkpoint(tmp_path / "run", {"run": Evil()})
    with pytest.raises(DamagedError, match="cannot be read: UnpicklingError"):
        load_checkpoint(tmp_path / "run")
    assert not (tmp_path / "owned").exists()


def test_removing_it_leaves_the_run(tmp_path):
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run", {"epoch": 1})
    remove_checkpoint(tmp_path / "run")
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]
