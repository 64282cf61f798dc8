"""`passband detect` from its arguments to its files."""

import json
import shutil
import subprocess
import sys

import polars as pl
import pytest

from blobs import write_scenes
from passband.rows import COLUMNS, read_table

CODE = """
from blobs import NAMES, Blobs

blobs = Blobs()

def find(images):
    return [{"boxes": each.boxes, "scores": each.scores, "labels": each.labels} for each in blobs.detect(images)]

def shifted(images):
    return [each | {"labels": each["labels"] + 1} for each in find(images)]

def fails(images):
    raise RuntimeError("out of luck")

def stops(images):
    if blobs.seen > 25:
        raise KeyboardInterrupt
    return find(images)
"""


@pytest.fixture
def scenes(tmp_path):
    images, annotations = write_scenes(tmp_path / "scenes", 8)
    (tmp_path / "mine.py").write_text(CODE)
    return [str(images), str(annotations)]


QUICK = ("--radii", "4", "8", "--geometry", "index", "--resamples", "50")


def detect(command, scenes, *options, model="python:mine.py:find"):
    return command("detect", *([model] if model else []), *scenes, *QUICK, *options)


def test_it_writes_a_folder_and_prints_a_table(command, scenes, tmp_path):
    ran = detect(command, scenes, "--out", "out", "--no-report")
    assert ran.code == 0, ran.err
    assert "lfc:8" in ran.out
    assert "(8 images, 16 objects)" in ran.out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    tables = {f"{name}.parquet" for name in ("rows", "images", "objects", "annotations", "detections")}
    assert names == {"detection.json", "pictures.safetensors", *tables}
    assert read_table(tmp_path / "out" / "rows.parquet", COLUMNS)[
        "geometry"
    ].drop_nulls().unique().to_list() == ["index"]
    assert not list(tmp_path.glob(".out-unfinished-*"))
    assert detect(command, scenes, "--out", "out", "--no-report").code == 2
    assert detect(command, scenes, "--out", "out", "--no-report", "--overwrite", "--seed", "1").code == 0


def test_a_report_is_written_and_again_from_the_folder(command, scenes, tmp_path):
    assert detect(command, scenes).code == 0
    folder = tmp_path / "detections" / "mine-find-images"
    assert (folder / "detection.html").is_file()
    assert list((folder / "figures").glob("*.png"))
    again = command("report", folder)
    assert again.code == 0, again.err
    assert (folder / "detection.html").is_file()


def test_requirements_decide_the_exit_code(command, scenes, tmp_path):
    met = detect(
        command,
        scenes,
        "--out",
        "a",
        "--no-report",
        "--require",
        "map-lfc@8 >= 0.1",
        "--require",
        "map >= 0.9",
    )
    assert met.code == 0, met.err
    ran = detect(
        command, scenes, "--out", "b", "--no-report", "--require", "map-lfc@4 >= 0.99", "--junit", "b.xml"
    )
    assert (ran.code, "FAILED map-lfc@4 >= 0.99" in ran.out) == (1, True)
    assert 'failures="1"' in (tmp_path / "b.xml").read_text()


def test_a_requirement_adds_its_cut_off(command, scenes, tmp_path):
    ran = detect(command, scenes, "--out", "a", "--no-report", "--require", "map-hfc@6 >= 0", "--json")
    assert ran.code == 0, ran.err
    card = json.loads(ran.out)["card"]
    assert "hfc:6" in card["settings"]["views"]


def test_two_audits_are_compared(command, scenes):
    for name, seed in (("a", "0"), ("b", "1")):
        assert detect(command, scenes, "--out", name, "--no-report", "--seed", seed).code == 0
    ran = command("compare", "a", "b", "--require", "map-lfc@8-drop <= 0.01")
    assert ran.code == 0, ran.err
    assert "paired on 8 images" in ran.out
    assert "ok     map-lfc@8-drop <= 0.01" in ran.out
    assert command("compare", "a", "b", "--require", "clean-drop <= 0.01").code == 2
    several = command("compare", "a", "b", "a", "--require", "map-lfc@8-drop <= 0.01", "--out", "several")
    assert several.code == 0, several.err
    assert "ok     map-lfc@8-drop <= 0.01" in several.out
    assert several.out.count("(b)") == 3  # the column, the sentence and the requirement


def test_elsewhere_is_as_good_as_here(command, scenes, tmp_path):
    """A program that knows nothing of passband reads the folders, writes result files, and gets the rows of the detector."""
    here = detect(command, scenes, "--out", "here", "--no-report")
    assert here.code == 0
    written = command("detect", *scenes, "--write", "written", "--radii", "4", "8", "--geometry", "index")
    assert written.code == 0, written.err
    program = tmp_path / "elsewhere.py"
    program.write_text(
        "import json, sys\n"
        "import numpy as np, torch\n"
        "from pathlib import Path\n"
        "from PIL import Image\n"
        "from blobs import Blobs\n"
        "annotations = json.loads(Path('written/annotations.json').read_text())\n"
        "for folder in sorted(path for path in Path('written').iterdir() if path.is_dir()):\n"
        "    results = []\n"
        "    for each in annotations['images']:\n"
        "        pixels = np.array(Image.open(folder / each['file_name']))\n"
        "        found, = Blobs().detect([torch.from_numpy(pixels).permute(2, 0, 1) / 255])\n"
        "        for box, score, label in zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist()):\n"
        "            x, y, right, bottom = box\n"
        "            results.append({'image_id': each['id'], 'category_id': label,\n"
        "                            'bbox': [x, y, right - x, bottom - y], 'score': score})\n"
        "    Path(f'{folder.name}.json').write_text(json.dumps(results))\n"
    )
    subprocess.run(
        [sys.executable, program], check=True, cwd=tmp_path, env={"PYTHONPATH": ":".join(sys.path)}
    )
    files = [path.name for path in tmp_path.glob("*c-*.json")] + [
        path.name for path in tmp_path.glob("*l-*.json")
    ]
    ran = command(
        "detect",
        *scenes,
        "--out",
        "there",
        "--resamples",
        "50",
        "--no-report",
        "--results",
        "full.json",
        *files,
    )
    assert ran.code == 0, ran.err
    assert f"{tmp_path.name} on " in ran.out  # the folder of the files, though they are named without it
    one, two = (
        pl.read_parquet(tmp_path / name / "rows.parquet").drop("run", "amplitude", "split_at")
        for name in ("here", "there")
    )
    order = ["shown", "metric", "class"]
    assert one.sort(order).equals(two.sort(order))


def test_an_interrupted_command_goes_on(scenes, tmp_path):
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    line = [
        sys.executable,
        "-m",
        "passband",
        "detect",
        "python:mine.py:find",
        *scenes,
        *QUICK,
        "--no-report",
        "--out",
        "out",
    ]
    (tmp_path / "mine.py").write_text(
        CODE.replace("def find(", "def find2(")
        .replace("def stops(", "def find(")
        .replace("return find(", "return find2(")
    )
    cut = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert cut.returncode == 130, cut.stderr
    assert "The same command goes on from there: passband detect" in cut.stderr
    assert not (tmp_path / "out").exists()


BAD = [
    ("nothing given", "detect", "takes MODEL IMAGES ANNOTATIONS"),
    ("no annotations", "detect python:mine.py:find {images}", "need a file of annotations"),
    ("too much", "detect a b c d", "takes MODEL IMAGES ANNOTATIONS"),
    ("write and results", "detect {images} {annotations} --write w --results full.json", "give one of them"),
    ("images missing", "detect python:mine.py:find nowhere {annotations}", "no folder of images nowhere"),
    ("annotations missing", "detect python:mine.py:find {images} nothing.json", "no file nothing.json"),
    (
        "annotations are results",
        "detect python:mine.py:find {images} results.json",
        "Is it a file of results",
    ),
    ("detector unknown", "detect torchvision:retinanet_resnet {images} {annotations}", "Did you mean"),
    ("function missing", "detect python:mine.py:findd {images} {annotations}", "findd"),
    ("detector fails", "detect python:mine.py:fails {images} {annotations} --radii 4", "out of luck"),
    ("labels", "detect python:mine.py:shifted {images} {annotations} --radii 4", "no ids of categories"),
    (
        "radius",
        "detect python:mine.py:find {images} {annotations} --radii 90",
        "no image has frequencies beyond",
    ),
    (
        "radius twice",
        "detect python:mine.py:find {images} {annotations} --radii 4 4",
        "each cut-off is measured once",
    ),
    ("radius zero", "detect python:mine.py:find {images} {annotations} --radii 0", "Must be > 0"),
    (
        "geometry",
        "detect python:mine.py:find {images} {annotations} --geometry pixel --radii 4",
        "leaves out what --radii asks for",
    ),
    (
        "requirement",
        "detect python:mine.py:find {images} {annotations} --require lfc@8>=0.5",
        "no measure named",
    ),
    (
        "requirement on nothing",
        "detect {images} {annotations} --results full.json lfc-4.json --require map-lfc@8>=0.5",
        "needs the view lfc:8; measured were full, lfc:4",
    ),
    (
        "split",
        "detect python:mine.py:find {images} {annotations} --radii 4 --split-at input",
        "does not show its own resize",
    ),
    (
        "results of no view",
        "detect {images} {annotations} --results full.json mine.json",
        "called after what was shown",
    ),
    ("results of nothing whole", "detect {images} {annotations} --results lfc-4.json", "needs full.json"),
    (
        "results twice",
        "detect {images} {annotations} --results full.json lfc-4.json other/lfc-4.json",
        "are both of lfc:4",
    ),
    ("results missing", "detect {images} {annotations} --results full.json lfc-8.json", "lfc-8.json"),
    (
        "results broken",
        "detect {images} {annotations} --results full.json lfc-4.json hfc-4.json",
        "cannot be read as JSON",
    ),
    (
        "results of other images",
        "detect {images} {annotations} --results full.json control-4.json",
        "images that the annotations do not have",
    ),
    ("write without a picture", "detect {images} {annotations} --write w --amplitude raw", "raw"),
    ("write and require", "detect {images} {annotations} --write w --require map>=0", "measures nothing"),
    ("limit", "detect python:mine.py:find {images} {annotations} --limit 0", "Must be >= 1"),
    (
        "phantom with annotations",
        "detect python:mine.py:find phantom {annotations}",
        "annotations of its own",
    ),
]


@pytest.mark.parametrize(("line", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_cannot_be_used_is_refused(command, scenes, tmp_path, line, message):
    results = [{"image_id": 0, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}]
    for name in ("full", "lfc-4", "results", "other/lfc-4"):
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(results))
    (tmp_path / "hfc-4.json").write_text("[{")
    (tmp_path / "control-4.json").write_text(json.dumps([results[0] | {"image_id": 77}]))
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    ran = command(*line.format(images=scenes[0], annotations=scenes[1]).split())
    assert ran.code == 2, (ran.out, ran.err)
    assert message in ran.err
    assert "Traceback" not in ran.err
    left = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert not [path for path in left if "__pycache__" not in path.parts and "-unfinished-" not in str(path)]


def test_a_missing_image_is_refused_before_the_detector_is_loaded(command, scenes, tmp_path):
    shutil.rmtree(scenes[0])
    (tmp_path / "scenes" / "images").mkdir()
    ran = detect(command, scenes, model="torchvision:no_such_network")
    assert (ran.code, "8 of 8 images are not in" in ran.err) == (2, True)


def test_several_processes_find_what_one_finds_and_leave_nothing(command, scenes, tmp_path, monkeypatch):
    monkeypatch.setattr("passband.engine.scenes.GROUPS", 1)
    before = {path.name for path in tmp_path.iterdir()}
    for out, workers in (("a", "1"), ("b", "2")):
        ran = detect(command, scenes, "--out", out, "--no-report", "--workers", workers)
        assert ran.code == 0, ran.err
    for name in ("rows", "images", "objects", "detections"):
        one, two = (pl.read_parquet(tmp_path / out / f"{name}.parquet") for out in "ab")
        assert one.equals(two), name
    assert {path.name for path in tmp_path.iterdir()} - before - {"__pycache__"} == {"a", "b"}


def test_what_runs_elsewhere_takes_one_process(command, scenes):
    ran = detect(command, scenes, "--write", "views", "--workers", "2", model=None)
    assert ran.code == 2
    assert "--workers is for detectors that run here" in ran.err
