from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from event_files import as_shown, read
from made_up_store import SETTINGS, add_checkpoint, add_run
from passband.tracking.curves import read_curves
from passband.tracking.recorder import Recorder
from passband.tracking.tensorboard import TensorBoard
from passband.tracking.tracker import Tracked


@pytest.fixture
def run(tmp_path):
    add_run(tmp_path, "whole")
    return Tracked("aaaa", "vanilla, seed 0", tmp_path / "runs" / "aaaa", tmp_path / "tb" / "aaaa", SETTINGS)


@pytest.fixture
def curves(tmp_path, run):
    return read_curves(tmp_path / "runs" / "whole")


def test_every_curve_is_that_of_the_rows_while_it_grows_and_when_it_has_ended(tmp_path, run, curves):
    notes = []
    with Recorder([TensorBoard()], notes.append) as recorder:
        recorder.epoch(run, 1, curves[1])
        recorder.epoch(run, 2, curves[2])
    assert read(run.curves) == as_shown({epoch: curves[epoch] for epoch in (1, 2)})
    add_checkpoint(tmp_path, "aaaa", 2)
    add_run(tmp_path, "aaaa")
    with Recorder([TensorBoard()], notes.append) as recorder:
        recorder.ended(run, "finished")
    assert read(run.curves) == as_shown(curves)
    assert read(run.curves)["train/fit-loss/full"] == [(1, 1.0), (2, 0.5), (3, float(np.float32(1 / 3)))]
    assert notes == []
    assert len(list(run.curves.glob("events.*"))) == 1


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from threading import Event
    from passband.tracking.recorder import Recorder
    from passband.tracking.tensorboard import TensorBoard
    from passband.tracking.tracker import Tracked

    folder, curves, epochs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    run = Tracked("aaaa", "vanilla, seed 0", folder, curves, {})
    recorder = Recorder([TensorBoard()], print)
    for epoch in range(1, epochs + 1):
        recorder.epoch(run, epoch, {"train/fit-loss/full": 1 / epoch})
    told = Event()
    recorder._put(told.set)
    told.wait()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_session_that_was_killed_leaves_no_point_doubled_or_lost(tmp_path, run, curves):
    for epochs in (1, 2):  # the first died before it told the second epoch, of which there is a checkpoint
        command = [
            sys.executable,
            "-c",
            textwrap.dedent(KILLED),
            str(run.folder),
            str(run.curves),
            str(epochs),
        ]
        assert subprocess.run(command, check=False).returncode == -9
    add_checkpoint(tmp_path, "aaaa", 2)
    recorder = Recorder([TensorBoard()], print)
    recorder.epoch(run, 3, curves[3])
    recorder.close()
    assert len(list(run.curves.glob("events.*"))) == 3
    assert read(run.curves) == as_shown(curves)
    add_run(tmp_path, "aaaa")
    with Recorder([TensorBoard()], print) as recorder:
        recorder.ended(run, "finished")
    assert read(run.curves) == as_shown(curves)
    assert len(list(run.curves.glob("events.*"))) == 1


FULL = """
    import resource, signal, sys
    from pathlib import Path
    from passband.tracking.recorder import Recorder
    from passband.tracking.tensorboard import TensorBoard
    from passband.tracking.tracker import Tracked

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    run = Tracked("aaaa", "vanilla, seed 0", Path(sys.argv[1]), Path(sys.argv[2]), {})
    with Recorder([TensorBoard()], print) as recorder:
        for epoch in range(1, 100):
            recorder.epoch(run, epoch, {"train/fit-loss/full": 1 / epoch})
    print("the run went on")
"""


def test_where_no_more_can_be_written_the_run_goes_on_and_one_note_says_so(run):
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(FULL), str(run.folder), str(run.curves)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    note, end = ran.stdout.splitlines()
    assert note.startswith("tensorboard failed (OSError: [Errno 27] File too large) and lacks curves now.")
    assert end == "the run went on"
    steps = [step for step, _ in read(run.curves)["train/fit-loss/full"]]
    assert steps == list(range(1, len(steps) + 1)) != []


def test_a_run_that_is_trained_anew_has_the_curves_of_the_last_training(tmp_path, run, curves):
    add_run(tmp_path, "aaaa")
    for factor in (2.0, 1.0):
        with Recorder([TensorBoard()], print) as recorder:
            for epoch, values in curves.items():
                recorder.epoch(run, epoch, {name: factor * value for name, value in values.items()})
            recorder.ended(run, "finished")
    assert read(run.curves) == as_shown(curves)


def test_settings_are_shown_beside_the_curves(tmp_path, run, curves):
    with Recorder([TensorBoard()], print) as recorder:
        recorder.epoch(run, 1, curves[1])
    shown = EventAccumulator(str(run.curves))
    shown.Reload()
    content = shown.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    found = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert found["model"].string_value == "lenet"
    assert found["epochs"].number_value == 3
