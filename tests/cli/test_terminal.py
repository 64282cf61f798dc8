"""The command as a process: its exit codes, whatever its streams are, and whoever wants it to end."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PASSBAND = [sys.executable, "-m", "passband"]
COMMAND = shlex.join(PASSBAND)
GUARDED = "import sys; from passband.cli import app, main; {setup}; sys.argv = ['passband', 'instruments']; main.main()"


def shell(line: str, folder: Path, **settings) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `passband` is the command."""
    return subprocess.run(
        ["bash", "-c", line.replace("passband", COMMAND, 1)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | settings,
        check=False,
    )


@pytest.fixture(scope="module")
def audit(files, tmp_path_factory):
    """Return the line of a small audit of a folder with an odd name, and where it is run."""
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "ünï – 数据").mkdir()
    os.link(files / "data.npz", folder / "ünï – 数据" / "data.npz")
    weights = shlex.quote(str(files / "weights.safetensors"))
    line = f"passband audit resnet8 'npz:ünï – 数据/data.npz' --weights {weights} --radii 4 --ceiling-samples 0 --no-report"
    return f"{line} --limit 10 --device cpu --overwrite --out 'audit ü'", folder


@pytest.mark.parametrize("line", ["study list", "study list --json", "--help"])
def test_a_reader_that_goes_away_is_no_error(tmp_path, line):
    ran = shell(f"passband {line} | head -1; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert (ran.stdout.splitlines()[-1], ran.stderr) == ("0", "")


@pytest.mark.parametrize("option", ["", "--json", "2>&1"])
def test_a_requirement_that_is_not_met_is_one_though_nobody_reads_it(audit, option):
    line, folder = audit
    ran = shell(f"{line} --require 'clean > 0.99' {option} | true; echo ${{PIPESTATUS[0]}}", folder)
    assert ran.stdout.splitlines() == ["1"]
    assert "passband: " not in ran.stderr
    assert (folder / "audit ü" / "card.json").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(tmp_path, closed):
    ran = shell(f"passband instruments {closed}", tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert shell(f"passband instrumets {closed}", tmp_path).returncode == 2


def test_a_full_disk_is_said(tmp_path):
    ran = shell("passband instruments > /dev/full", tmp_path)
    assert (ran.returncode, ran.stderr) == (2, "passband: No space left on device\n")


@pytest.mark.parametrize(
    "settings",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
)
def test_letters_that_a_terminal_does_not_know_are_replaced(audit, settings):
    line, folder = audit
    ran = shell(line, folder, **settings) if "LC_ALL" not in settings else shell(
        "passband report 'ünï'", folder, **settings)  # fmt: skip
    assert ran.returncode == (2 if "LC_ALL" in settings else 0), ran.stderr
    assert "Traceback" not in ran.stderr
    assert "?" in ran.stdout + ran.stderr


def test_on_a_narrow_terminal_every_number_stays_readable(audit):
    line, folder = audit
    wide, narrow = shell(line, folder), shell(line, folder, COLUMNS="40")
    row = next(text for text in wide.stdout.splitlines() if text.strip().startswith("4 "))
    for number in row.split():
        assert number in narrow.stdout
    assert "Radius: 4\n" in narrow.stdout
    assert "…" not in narrow.stdout


def test_a_fault_is_one_message_with_its_place_and_the_way_to_the_traceback(tmp_path):
    def ran(**settings):
        program = GUARDED.format(setup="app.app.command(lambda: 1 / 0, name='instruments')")
        program = program.replace("app.app.command", "app.app._commands.pop('instruments'); app.app.command")
        return subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env=os.environ | settings,
            check=False,
        )

    found = ran()
    assert found.returncode == 3
    assert found.stderr.startswith(
        "passband: a fault of passband, not of what you gave it: ZeroDivisionError: division by zero"
    )
    assert "PASSBAND_TRACEBACK=1" in found.stderr
    assert "developers" in found.stderr
    assert "Traceback" not in found.stderr
    assert "Traceback" in ran(PASSBAND_TRACEBACK="1").stderr


def hears(pid: int) -> bool:
    """Whether a process has its own way to end when it is asked to, as passband has soon after Python has started."""
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0.3, 1, 2])
def test_an_interrupt_is_heard_at_any_moment(files, tmp_path, number, seconds):
    line = ["audit", "resnet8", f"npz:{files}/data.npz", "--weights", f"{files}/weights.safetensors"]
    with subprocess.Popen([*PASSBAND, *line], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while sys.platform == "linux" and not hears(process.pid):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("passband: interrupted; nothing was left half-written\n")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_is_heard_while_it_is_being_listened_for():
    setup = "main.end_when_asked = lambda farewell: signal.raise_signal(signal.SIGINT)"
    program = GUARDED.format(setup=f"import signal; {setup}")
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 130
    assert found.stderr == "passband: interrupted; nothing was left half-written\n"


SWALLOWED = {
    "in a callback": "import weakref\nclass Thing: pass\ndef wait(_):\n    time.sleep(30)\n"
    "thing = Thing()\nwatched = weakref.ref(thing, wait)\ndel thing\ntime.sleep(30)",
    "by code that catches everything": "while True:\n    try:\n        time.sleep(30)\n    except BaseException:\n        pass",
    "by polars": "import polars, threading\npolars.DataFrame({'a': [1]}).lazy().collect()\nthreading.Lock().acquire()\n"
    "lock = threading.Lock()\nlock.acquire()\nlock.acquire()",
}


@pytest.mark.parametrize("how", SWALLOWED)
def test_an_interrupt_that_is_swallowed_ends_the_process_all_the_same(tmp_path, how):
    (tmp_path / "code.py").write_text(
        f"import sys, time\nprint('here', file=sys.stderr, flush=True)\n{SWALLOWED[how]}"
    )
    with subprocess.Popen(
        [*PASSBAND, "study", "show", "code.py:study"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "passband: interrupted; nothing was left half-written" in err


def session(leader: int) -> list[int]:
    """Return the processes that are left of a session."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(place.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_study_ends_with_its_processes_and_goes_on_later(tmp_path, number):
    line = [
        "study", "run", "label-shuffle", "--preset", "laptop", "--seeds", "1", "--limit", "300", "--epochs", "6", "--store", "s",
        "--device", "cpu",
    ]  # fmt: skip

    def start():
        return subprocess.Popen(
            [*PASSBAND, *line], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    with start() as process:
        while not list(tmp_path.glob("s/runs/*checkpoint*/*")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)  # to the main process alone
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert f"The same command goes on from there: passband {shlex.join(line)}\n" in err
    assert "Traceback" not in err
    until = time.monotonic() + 60
    while session(process.pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert session(process.pid) == []
    if number == signal.SIGINT:
        with start() as again:
            out, err = again.communicate(timeout=300)
        assert again.returncode == 0, err
        assert "Figure, table and claims" in out
