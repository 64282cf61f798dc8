"""Whatever is wrong with the input: exit code 2, one message, no traceback, nothing written."""

import re
import subprocess
import sys

import pytest

# {files} stands for the folder of the fixture. Each case: its name, the command line, and what the message says.
MODEL = "resnet8 --weights {files}/weights.safetensors"
DATA = "npz:{files}/data.npz"
CASES = [
    # options
    ("no command of that name", "audti", "Unknown command .audti.. Did you mean .audit."),
    ("model missing", "audit", "requires an argument"),
    ("data missing", f"audit {MODEL}", "requires an argument"),
    ("option of no command", f"audit {MODEL} {DATA} --radius 8", "Unknown option: --radius"),
    ("radius no number", f"audit {MODEL} {DATA} --radii four", "unable to convert .four. into float"),
    ("radius negative", f"audit {MODEL} {DATA} --radii=-4", "radius must be >= 0, got -4"),
    ("radius past the corner", f"audit {MODEL} {DATA} --radii 4 12", "radius 12 is not below the corner.*11.3"),
    ("radius twice", f"audit {MODEL} {DATA} --radii 4 4", "each radius is measured once"),
    ("amplitude unknown", f"audit {MODEL} {DATA} --amplitude big", "Invalid value .big. for --amplitude"),
    ("precision too large", f"audit {MODEL} {DATA} --precision 2", "between 0 and 1, got 2"),
    ("limit zero", f"audit {MODEL} {DATA} --limit 0", "limit must be at least 1 image, got 0"),
    ("batch size zero", f"audit {MODEL} {DATA} --batch-size 0", "batch_size must be at least 1, got 0"),
    ("ceiling samples negative", f"audit {MODEL} {DATA} --ceiling-samples=-1", "ceiling_samples must be >= 0"),
    ("size no number", f"audit {MODEL} {DATA} --size big", "a size is a number of pixels, or HEIGHTxWIDTH"),
    ("subset unknown", f"audit {MODEL} {DATA} --subset validation", "Invalid value .validation. for --subset"),
    ("device unknown", f"audit {MODEL} {DATA} --device tpu", "device must be"),
    ("device absent", f"audit {MODEL} {DATA} --device cuda:99", "is not available on this machine"),
    ("requirement malformed", f"audit {MODEL} {DATA} --require lfc>60%", "MEASURE RELATION NUMBER"),
    ("requirement unknown", f"audit {MODEL} {DATA} --require lcf@4>=0.5", "Did you mean 'lfc'"),
    ("requirement without ceiling", f"audit {MODEL} {DATA} --require ceiling-l2@1>=0 --ceiling-samples 0",
     "which --ceiling-samples 0 leaves out"),
    ("requirement past the corner", f"audit {MODEL} {DATA} --require lfc@40>=0.5", "not below the corner"),
    ("out is a file", f"audit {MODEL} {DATA} --out {{files}}/text.txt", "exists and is not a folder"),
    ("out is not empty", f"audit {MODEL} {DATA} --out {{files}}", "is not empty.*--overwrite"),
    # models
    ("model unknown", f"audit resnet9 {DATA} --weights {{files}}/weights.safetensors", "Did you mean"),
    ("model without weights", f"audit resnet8 {DATA}", "weights"),
    ("weights missing", f"audit resnet8 {DATA} --weights {{files}}/none.safetensors", "none.safetensors"),
    ("weights broken", f"audit resnet8 {DATA} --weights {{files}}/broken.safetensors", "broken.safetensors"),
    ("weights of another network", f"audit vgg11 {DATA} --weights {{files}}/weights.safetensors", "weights"),
    ("weights with other names", f"audit resnet8 {DATA} --weights {{files}}/other.pth --num-classes 3", "does not fit the network"),
    ("folder is no run", f"audit {{files}} {DATA}", "config.json"),
    ("module missing", f"audit python:no.such.module:make {DATA}", "no.such.module"),
    ("function missing", f"audit python:{{files}}/model.py:make {DATA}", "make"),
    ("function gives no model", f"audit python:{{files}}/model.py:not_a_model {DATA}", "nn.Module"),
    ("function raises", f"audit python:{{files}}/model.py:raises {DATA}", "no such checkpoint"),
    ("model gives text", f"audit python:{{files}}/model.py:gives_text {DATA} --size 16", "logits"),
    ("model gives NaN", f"audit python:{{files}}/model.py:gives_nan {DATA} --size 16", "NaN|finite"),
    ("export broken", f"audit export:{{files}}/text.txt {DATA}", "text.txt"),
    ("timm name unknown", f"audit timm:resnet999 {DATA}", "resnet999"),
    ("class index out of range", f"audit {MODEL} {DATA} --class-indices 0,1,9", "9"),
    ("other number of classes", f"audit {MODEL} {DATA} --class-indices 0,1", "2 outputs and the data set 3 classes"),
    ("mean of two channels", f"audit {MODEL} {DATA} --mean 0.5 0.5", "1 or 3 values"),
    ("std zero", f"audit {MODEL} {DATA} --std 0", "std must be positive"),
    # data
    ("source unknown", f"audit {MODEL} imagenet", "no data source named 'imagenet'"),
    ("path without its kind", f"audit {MODEL} {{files}}/data.npz", "Did you mean npz:"),
    ("file missing", f"audit {MODEL} npz:{{files}}/none.npz", "none.npz"),
    ("file of another kind", f"audit {MODEL} parquet:{{files}}/text.txt", "text.txt"),
    ("archive broken", f"audit {MODEL} npz:{{files}}/text.txt", "text.txt"),
    ("no images", f"audit {MODEL} npz:{{files}}/empty.npz", "no images|at least one"),
    ("fewer labels than images", f"audit {MODEL} npz:{{files}}/more.npz", "labels"),
    ("phantom option unknown", f"audit {MODEL} phantom:colour=1", "colour"),
    ("data do not fit in memory", f"audit {MODEL} {DATA} --memory-limit 0.000001", "memory"),
    # other commands
    ("training rate negative", f"train {DATA} --learning-rate=-1", "learning_rate must be positive"),
    ("training with a large batch", f"train {DATA} --batch-size 100", "batch_size must be at most"),
    ("training an unknown network", f"train {DATA} --model resnet9", "Did you mean"),
    ("training an unknown optimizer", f"train {DATA} --optimizer adamm", "Did you mean 'adam'"),
    ("training with impossible dropout", f"train {DATA} --dropout 1", "dropout"),
    ("training for no epoch", f"train {DATA} --epochs 0", "epochs"),
    ("comparing with nothing", "compare {files}/none {files}/none", "no file"),
    ("comparing no cards", "compare {files}/text.txt {files}/text.txt", "cannot be read as JSON"),
    ("splitting nothing", "split {files}/none.png --radius 4", "none.png"),
    ("splitting text", "split {files}/text.txt --radius 4", "cannot decode"),
    ("splitting without a radius", "split {files}/photo.png", "radius"),
    ("splitting at a negative radius", "split {files}/photo.png --radius=-1", "radius must be >= 0"),
    ("spectrum of nothing", "spectrum parquet:{files}/none", "none"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_malformed_input(command, untyped, files, tmp_path, line, message):
    before = sorted(files.rglob("*"))
    ran = command(*(part.format(files=files) for part in line.split()))
    assert ran.code == 2
    assert ran.out == ""
    complaints = [text for text in ran.err.splitlines() if text.startswith("passband: ")]
    assert len(complaints) == 1
    complaint = ran.err[ran.err.index("passband: ") :]
    assert re.search(message, complaint, re.DOTALL), complaint
    assert "Traceback" not in ran.err
    assert list(tmp_path.iterdir()) == []
    assert [path for path in sorted(files.rglob("*")) if "__pycache__" not in path.parts] == before


def test_the_process_exits_with_2_and_its_message_on_standard_error(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "passband", "audit", "resnet8", "imagenet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "passband: " in ran.stderr
    assert "Traceback" not in ran.stderr
