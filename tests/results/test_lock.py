"""Real processes on one place."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from passband.errors import InputError
from passband.results.lock import find_holder, lock_file, locked

HOLDER = """
    import sys, time
    from pathlib import Path
    from passband.results.lock import locked
    with locked(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Return a process that holds the lock of `tmp_path/run` until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_waited_for_and_named(tmp_path, holder):
    notes, noted, entered = [], threading.Event(), threading.Event()

    def listen(note):
        notes.append(note)
        noted.set()

    def wait():
        with locked(tmp_path / "run", on_note=listen):
            entered.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert noted.wait(60)
    assert not entered.wait(0.6)
    holder.stdin.write("\n")
    holder.stdin.flush()
    waiting.join(timeout=60)
    assert entered.is_set()
    (note,) = notes
    assert f"process {holder.pid} on {os.uname().nodename} is making it" in note
    assert str(tmp_path / "run") in note
    assert list(tmp_path.iterdir()) == []


def test_without_waiting_it_is_an_error(tmp_path, holder):
    with pytest.raises(TimeoutError), locked(tmp_path / "run", wait=False):
        pass
    with locked(tmp_path / "another", wait=False):
        pass


def test_a_killed_holder_leaves_a_file_and_no_lock(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert lock_file(tmp_path / "run").is_file()
    with locked(tmp_path / "run", wait=False):
        assert f"process {os.getpid()} " in lock_file(tmp_path / "run").read_text()
    assert list(tmp_path.iterdir()) == []


def test_replacing_the_folder_does_not_drop_the_lock(tmp_path):
    with locked(tmp_path / "run"):
        (tmp_path / "run").mkdir()
        (tmp_path / "run").rename(tmp_path / "old")
        with pytest.raises(TimeoutError), locked(tmp_path / "run", wait=False):
            pass


def test_an_error_releases_it_and_what_killed_writers_left_is_removed(tmp_path):
    (tmp_path / ".run-aside-abcdefgh").mkdir()
    with pytest.raises(RuntimeError), locked(tmp_path / "run"):
        raise RuntimeError
    with locked(tmp_path / "run", wait=False):
        pass
    assert list(tmp_path.iterdir()) == []


CLIMBER = """
    import sys
    from pathlib import Path
    from passband.results.lock import locked
    place = Path(sys.argv[1])
    for _ in range(100):
        with locked(place):
            inside = place.with_name("inside")
            inside.mkdir()  # raises if another process is inside
            count = int(place.read_text())
            place.write_text(str(count + 1))
            inside.rmdir()
"""


def test_only_one_process_at_a_time_is_inside_though_the_file_comes_and_goes(tmp_path):
    place = Path(tmp_path / "count")
    place.write_text("0")
    command = [sys.executable, "-c", textwrap.dedent(CLIMBER), str(place)]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert place.read_text() == "400"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "runs").write_text("no folder")
    with (
        pytest.raises(InputError, match="cannot write to .*runs, where abc is to be made"),
        locked(tmp_path / "runs" / "abc"),
    ):
        pass


def test_who_holds_it_is_told_and_nothing_is_changed(tmp_path, holder):
    before = lock_file(tmp_path / "run").read_bytes()
    assert find_holder(tmp_path / "run") == f"process {holder.pid} on {os.uname().nodename}"
    assert find_holder(tmp_path / "another") is None
    assert lock_file(tmp_path / "run").read_bytes() == before
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert find_holder(tmp_path / "run") is None
    assert lock_file(tmp_path / "run").read_bytes() == before


@pytest.mark.parametrize("code", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_named_and_no_other_kind_of_lock_is_taken(tmp_path, monkeypatch, code):
    def refuse(descriptor, operation):
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(
            InputError, match=f"the file system of .*{tmp_path.name} knows no locks .* another one"
        ),
        locked(tmp_path / "run"),
    ):
        pass
