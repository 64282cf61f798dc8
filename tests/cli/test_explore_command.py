"""`passband explore` as a program: it serves until it is interrupted, and exports."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from passband.explorer.wire import decode

CODE = """
from torch import nn
import torch
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
"""


@pytest.fixture
def line(tmp_path):
    (tmp_path / "code.py").write_text(CODE)
    return [
        sys.executable, "-m", "passband", "explore", "python:code.py:net", "fashion-mnist", "--in-channels", "1", "--limit", "30",
        "--device", "cpu",
    ]  # fmt: skip


def start(line, tmp_path):
    return subprocess.Popen(
        line,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"BROWSER": "false"},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_interrupted(line, tmp_path, number):
    with start([*line, "--port", "0", "--no-open", "--beside", "python:code.py:net"], tmp_path) as process:
        said = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", said)[0]
        with urllib.request.urlopen(f"{address}api/look?image=2") as answer:
            frames = decode(answer.read())
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert len(frames[1].header["models"]) == 2
    assert process.returncode == 0, err
    assert err.endswith("Ended.\n")
    assert "Traceback" not in err


def test_another_address_asks_for_the_token_that_is_printed(line, tmp_path):
    with start([*line, "--port", "0", "--no-open", "--host", "0.0.0.0"], tmp_path) as process:
        address, token = re.search(
            r"(http://127\.0\.0\.1:\d+/)\?token=(\S+)", process.stdout.readline()
        ).groups()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{address}api/about")
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert b"passband explorer" in opener.open(f"{address}?token={token}").read()
        assert opener.open(f"{address}api/about").status == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert len(token) >= 32


def test_an_export_is_whole_and_says_how_to_see_it(line, tmp_path):
    done = subprocess.run(
        [*line, "--export", "page", "--images", "3", "5"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "python -m http.server --directory page" in done.stdout
    data = {path.name for path in (tmp_path / "page" / "data").iterdir()}
    assert data == {"about.json", "thumbs.bin"} | {
        f"{i}-{cut}.bin" for i in (3, 5) for cut in ("radius", "ring", "rank")
    }
    assert 'data-served="false"' in (tmp_path / "page" / "index.html").read_text()


def test_a_port_that_is_taken_is_said_at_once(line, tmp_path):
    from passband.explorer.serve import listen

    taken = listen("127.0.0.1", 0)
    done = subprocess.run(
        [*line, "--port", str(taken.getsockname()[1])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    taken.close()
    assert done.returncode == 2
    assert "Choose another --port" in done.stderr


def test_the_model_beside_has_options_of_its_own(line, tmp_path):
    beside = [
        "--beside",
        "python:code.py:net",
        "--beside-class-indices",
        "9,8,7,6,5,4,3,2,1,0",
        "--beside-mean",
        "0.5",
    ]
    with start([*line, "--port", "0", "--no-open", *beside], tmp_path) as process:
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        with urllib.request.urlopen(f"{address}api/look?image=2") as answer:
            frames = decode(answer.read())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    one, other = frames[1].header["models"]
    assert one["top"] != other["top"], err
