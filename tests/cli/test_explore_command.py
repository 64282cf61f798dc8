"""`passband explore` as a program: it serves until it is interrupted, and exports."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import polars as pl
import pytest

from blobs import write_scenes
from passband.explorer.wire import decode
from pictures_sent import GOOD

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


DETECTOR = """
from blobs import NAMES, Blobs

blobs = Blobs()

def find(images):
    return [{"boxes": each.boxes, "scores": each.scores, "labels": each.labels} for each in blobs.detect(images)]

find.label_names = NAMES
"""


@pytest.fixture
def detector_line(tmp_path):
    images, annotations = write_scenes(tmp_path / "scenes", 5)
    (tmp_path / "mine.py").write_text(DETECTOR)
    return [sys.executable, "-m", "passband", "explore", "python:mine.py:find", str(images), str(annotations)]


def with_tests():
    return os.environ | {"BROWSER": "false", "PYTHONPATH": os.pathsep.join(sys.path)}


def test_a_detector_is_served_with_the_boxes_that_detect_finds(detector_line, tmp_path):
    options = ["--port", "0", "--no-open", "--radii", "4", "8", "--amplitude", "clip", "--limit", "4"]
    with subprocess.Popen(
        [*detector_line, *options],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=with_tests(),
    ) as process:  # fmt: skip
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        with urllib.request.urlopen(f"{address}api/look?image=3") as answer:
            frames = decode(answer.read())
        with urllib.request.urlopen(f"{address}api/about") as answer:
            assert json.loads(answer.read())["count"] == 4
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    detected = [
        "detect",
        *detector_line[4:],
        "--radii",
        "4",
        "8",
        "--geometry",
        "index",
        "--amplitude",
        "clip",
    ]
    done = subprocess.run(
        [*detector_line[:3], *detected, "--resamples", "10", "--no-report", "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=with_tests(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(tmp_path / "out" / "detections.parquet").filter(pl.col("image") == 30)
    seen = {}
    for frame in frames:
        if frame.header["kind"] == "whole":
            seen["full"] = frame.header["found"]
        if frame.header["kind"] == "answers":
            for at, pair in zip(frame.header["indices"], frame.header["found"], strict=True):
                seen |= dict(zip(frames[0].header["shown"][at], pair, strict=True))
    assert set(seen) == {"full", "lfc:4", "lfc:8", "hfc:4", "hfc:8"}
    for view, answer in seen.items():
        here = table.filter(pl.col("shown") == view).sort("score", "x").select("category", "score", "x", "y")
        boxes = sorted(answer["boxes"], key=lambda box: (box[1], box[2]))
        assert [tuple(box[:4]) for box in boxes] == [pytest.approx(row, abs=1e-2) for row in here.rows()]


def test_a_detector_is_exported_and_one_without_images_takes_uploads(detector_line, tmp_path):
    done = subprocess.run(
        [*detector_line, "--export", "page", "--images", "1"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=with_tests(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = tmp_path / "page"
    assert {path.name for path in (page / "data").iterdir()} == {"about.json", "thumbs.bin", "1-radius.bin"}
    assert "detector.js" in (page / "index.html").read_text()
    with subprocess.Popen(
        [*detector_line[:5], "--detector", "--port", "0", "--no-open"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=with_tests(),
    ) as process:  # fmt: skip
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        sent = urllib.request.Request(f"{address}api/upload?name=a.png", data=GOOD["color.png"])
        with urllib.request.urlopen(sent) as answer:
            upload = json.loads(answer.read())["upload"]
        with urllib.request.urlopen(f"{address}api/look?upload={upload}") as answer:
            frames = decode(answer.read())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert frames[0].header["objects"] is None
    assert frames[-1].header["kind"] == "end"
