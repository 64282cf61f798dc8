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
    ("radius negative", f"audit {MODEL} {DATA} --radii=-4", "for --radii. Must be >= 0"),
    ("radius past the corner", f"audit {MODEL} {DATA} --radii 4 12", "radius 12 is not below the corner.*11.3"),
    ("radius twice", f"audit {MODEL} {DATA} --radii 4 4", "each component is measured once"),
    ("instrument unknown", f"audit {MODEL} {DATA} --with kernel", "no instrument named .kernel.. Did you mean .kernels."),
    ("amplitude unknown", f"audit {MODEL} {DATA} --amplitude big", "Invalid value .big. for --amplitude"),
    ("precision too large", f"audit {MODEL} {DATA} --precision 2", "--precision. Must be < 1"),
    ("limit zero", f"audit {MODEL} {DATA} --limit 0", "--limit. Must be >= 1"),
    ("batch size zero", f"audit {MODEL} {DATA} --batch-size 0", "batch_size must be a whole number of at least 1, got 0"),
    ("ceiling search unknown", f"audit {MODEL} {DATA} --ceiling quick", "Invalid value .quick. for --ceiling"),
    ("ceiling samples negative", f"audit {MODEL} {DATA} --ceiling-samples=-1", "--ceiling-samples. Must be >= 0"),
    ("size no number", f"audit {MODEL} {DATA} --size big", "a size is a number of pixels, or HEIGHTxWIDTH"),
    ("size zero", f"audit {MODEL} {DATA} --size 0x4", "a size is 1 pixel or more, got '0x4'"),
    ("subset unknown", f"audit {MODEL} {DATA} --subset validation", "Invalid value .validation. for --subset"),
    ("device unknown", f"audit {MODEL} {DATA} --device tpu", "device must be"),
    ("device absent", f"audit {MODEL} {DATA} --device cuda:99", "is not available on this machine"),
    ("requirement malformed", f"audit {MODEL} {DATA} --require lfc=>60", "MEASURE RELATION NUMBER"),
    ("requirement in percent", f"audit {MODEL} {DATA} --require lfc@4>60%", "no percent: write 'lfc@4>0.6'"),
    ("requirement that nothing meets", f"audit {MODEL} {DATA} --require lfc@4>60", "did you mean 'lfc@4>0.6'"),
    ("requirement unknown", f"audit {MODEL} {DATA} --require lcf@4>=0.5", "Did you mean 'lfc'"),
    ("requirement without ceiling", f"audit {MODEL} {DATA} --require ceiling-l2@1>=0 --ceiling-samples 0",
     "which --ceiling-samples 0 leaves out"),
    ("requirement past the corner", f"audit {MODEL} {DATA} --require lfc@40>=0.5", "not below the corner"),
    ("out is a file", f"audit {MODEL} {DATA} --out {{files}}/text.txt", "exists and is not a folder"),
    ("out is not empty", f"audit {MODEL} {DATA} --out {{files}}", "is not empty.*--overwrite"),
    # stores
    ("store is none", "runs list --store {files}", "holds no runs"),
    ("run to remove unnamed", "runs remove --store {files}", "say what to remove"),
    ("rows to a folder", "runs export --out {files} --store {files}", "holds no runs"),
    ("tracker unknown", f"train {DATA} --track wand", "Invalid value .wand. for --track"),
    # models
    ("model unknown", f"audit resnet9 {DATA} --weights {{files}}/weights.safetensors", "Did you mean"),
    ("model without weights", f"audit resnet8 {DATA}", "weights"),
    ("weights missing", f"audit resnet8 {DATA} --weights {{files}}/none.safetensors", "none.safetensors"),
    ("weights broken", f"audit resnet8 {DATA} --weights {{files}}/broken.safetensors", "broken.safetensors"),
    ("weights of another network", f"audit vgg11 {DATA} --weights {{files}}/weights.safetensors", "weights"),
    ("weights with other names", f"audit resnet8 {DATA} --weights {{files}}/other.pth --num-classes 3", "does not fit the network"),
    ("weights under no such key", f"audit resnet8 {DATA} --weights {{files}}/other.pth --weights-key ema", "no weights under 'ema'"),
    ("weights key without weights", f"audit python:{{files}}/model.py:good {DATA} --weights-key ema", "give that with --weights"),
    ("output of a model that has no names", f"audit python:{{files}}/model.py:good {DATA} --output-name logits",
     "--output-name cannot be used here"),
    ("folder of transformers missing", f"audit hf:{{files}}/none {DATA}", "no folder .*none"),
    ("folder is no model of transformers", f"audit hf:{{files}} {DATA}", "is not an image classifier of transformers"),
    ("folder is no model of timm", f"audit timm:local-dir:{{files}} {DATA}", "is not a folder of a timm model"),
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
    ("other number of classes", f"audit {MODEL} {DATA} --class-indices 0,1", "2 outputs and data 3 classes: 0"),
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
    ("saved folder missing", f"audit {MODEL} hf:{{files}}/none", "no folder .*none"),
    ("folder that save_to_disk did not write", f"audit {MODEL} hf:{{files}}", "Did you mean parquet:"),
    ("data by a function that is missing", f"audit {MODEL} python:{{files}}/model.py:make_data", "has no 'make_data'"),
    ("data by a function that gives none", f"audit {MODEL} python:{{files}}/model.py:not_a_model", "must be a data set"),
    ("one array alone", f"audit {MODEL} npz:{{files}}/images.npy", "labels are needed beside the images"),
    ("shard missing", f"audit {MODEL} parquet:{{files}}/shards", "shard 1 of 3 is missing"),
    ("phantom option unknown", f"audit {MODEL} phantom:colour=1", "colour"),
    ("data do not fit in memory", f"audit {MODEL} {DATA} --memory-limit 0.000001", "memory"),
    ("memory limit negative", f"audit {MODEL} {DATA} --memory-limit=-1", "--memory-limit. Must be >= 0"),
    ("memory limit no number", f"audit {MODEL} {DATA} --memory-limit nan", "--memory-limit. Must be >= 0"),
    ("less than no worker", f"audit {MODEL} {DATA} --num-workers=-1", "--num-workers. Must be >= 0"),
    # attacks
    ("attack without epsilon", f"attack {MODEL} {DATA} --attack pgd", "at least one bound on the perturbation, such as --epsilon 8/255"),
    ("epsilon negative", f"attack {MODEL} {DATA} --epsilon=-0.1", "epsilon must be positive, got -0.1"),
    ("epsilon zero", f"attack {MODEL} {DATA} --epsilon 0 0.1", "epsilon must be positive, got 0"),
    ("epsilon in 255ths", f"attack {MODEL} {DATA} --epsilon 8", "epsilon must be at most 1 in linf.*write 8/255, not 8"),
    ("epsilon beyond all images in L2", f"attack {MODEL} {DATA} --norm l2 --epsilon 99", "epsilon must be at most 27.7128 in l2"),
    ("epsilon twice", f"attack {MODEL} {DATA} --epsilon 0.1 1/10", "each epsilon is used once, got 0.1, 0.1"),
    ("epsilon no number", f"attack {MODEL} {DATA} --epsilon 0.1 much", "a number or a fraction such as 8/255 is needed, got 'much'"),
    ("attack unknown", f"attack {MODEL} {DATA} --attack pdg --epsilon 0.1", "no attack named 'pdg'. Did you mean 'pgd'"),
    ("attack twice", f"attack {MODEL} {DATA} --attack pgd pgd --epsilon 0.1", "pgd is asked for twice"),
    ("norm unknown", f"attack {MODEL} {DATA} --epsilon 0.1 --norm l1", "Invalid value .l1. for --norm"),
    ("FGSM in L2", f"attack {MODEL} {DATA} --attack fgsm --epsilon 0.1 --norm l2", "FGSM takes no norm but linf, got 'l2'. Choose PGD"),
    ("attack without steps", f"attack {MODEL} {DATA} --epsilon 0.1 --steps 0", "steps must be a whole number of at least 1"),
    ("attack without starts", f"attack {MODEL} {DATA} --epsilon 0.1 --restarts 0", "restarts must be a whole number of at least 1"),
    ("step without length", f"attack {MODEL} {DATA} --epsilon 0.1 --step-share 0", "step_share is a share of epsilon and must be positive"),
    ("band malformed", f"attack {MODEL} {DATA} --epsilon 0.1 --band middle:4", "no component named 'middle'. Known: blur, full, hfc, jpeg, lfc"),
    ("band without a radius", f"attack {MODEL} {DATA} --epsilon 0.1 --band hfc", "written hfc:RADIUS, such as hfc:8, got 'hfc'"),
    ("band of everything", f"attack {MODEL} {DATA} --epsilon 0.1 --band full", "cannot be held to 'full'.* Choose a band such as lfc:8"),
    ("band past the corner", f"attack {MODEL} {DATA} --epsilon 0.1 --band lfc:12", "not below the corner of the spectrum, which is at 11.3"),
    ("AutoAttack in a band", f"attack {MODEL} {DATA} --attack autoattack --epsilon 0.1 --band lfc:4", "AutoAttack takes no band, got 'lfc:4'. Choose PGD"),
    ("AutoAttack on 3 classes", f"attack {MODEL} {DATA} --attack autoattack --epsilon 0.1", "at least 4 classes, got 3"),
    ("checks on fewer than no samples", f"attack {MODEL} {DATA} --epsilon 0.1 --sanity-samples=-1", "--sanity-samples. Must be >= 0"),
    ("attack on a model without a gradient", f"attack python:{{files}}/model.py:detached {DATA} --size 16 --epsilon 0.1",
     "the model has no gradient with respect to its images"),
    ("attack on a model with other classes", f"attack {MODEL} {DATA} --epsilon 0.1 --class-indices 0,1",
     "2 outputs and data 3 classes: 0"),
    ("attack into a folder that is not empty", f"attack {MODEL} {DATA} --epsilon 0.1 --out {{files}}", "is not empty.*--overwrite"),
    ("audit with an epsilon alone", f"audit {MODEL} {DATA} --epsilon 0.1", "none is asked for. Add --attack pgd"),
    ("audit with an attack without epsilon", f"audit {MODEL} {DATA} --attack pgd", "such as --epsilon 8/255"),
    ("audit with attacked samples alone", f"audit {MODEL} {DATA} --attack-samples 5", "--attack-samples bounds an attack"),
    ("audit with no attacked sample", f"audit {MODEL} {DATA} --attack pgd --epsilon 0.1 --attack-samples 0", "--attack-samples. Must be >= 1"),
    ("audit of a model without a gradient", f"audit python:{{files}}/model.py:detached {DATA} --size 16 --attack fgsm --epsilon 0.1",
     "the model has no gradient with respect to its images"),
    ("audit of the gradient of a model without one", f"audit python:{{files}}/model.py:detached {DATA} --size 16 --with input-gradient",
     "the model has no gradient with respect to its images.* `passband instruments` says which"),
    ("requirement on an attack that is not run", f"audit {MODEL} {DATA} --attack fgsm --epsilon 0.1 --require pgd@0.1>=0.5",
     "not asked for. Add --attack pgd --epsilon 0.1"),
    # other commands
    ("smoothing without rho", f"smooth {MODEL}", "--rho.* requires an argument"),
    ("smoothing by a negative rho", f"smooth {MODEL} --rho=-1", "rho must be 0 or positive, and finite, got -1"),
    ("smoothing by no number", f"smooth {MODEL} --rho much", "unable to convert .much. into float"),
    ("smoothing by NaN", f"smooth {MODEL} --rho nan", "rho must be 0 or positive, and finite, got nan"),
    ("smoothing an unknown layer", f"smooth {MODEL} --rho 1 --layer stme", "no convolution named 'stme'. Did you mean 'stem'"),
    ("smoothing what is no convolution", f"smooth {MODEL} --rho 1 --layer classifier", "is a Linear, not an nn.Conv2d. Its convolutions: stem"),
    ("smoothing a network without convolutions", "smooth python:{files}/model.py:good --size 16 --rho 1", "model:good has no convolution"),
    ("smoothing an export", "smooth export:{files}/net.pt2 --rho 1", "net is an exported program, whose layers cannot be changed"),
    ("smoothing into a folder that is not empty", f"smooth {MODEL} --rho 1 --out {{files}}", "is not empty.*--overwrite"),
    ("smoothing into a file", f"smooth {MODEL} --rho 1 --out {{files}}/text.txt", "exists and is not a folder"),
    ("ONNX file missing", f"audit onnx:{{files}}/none.onnx {DATA}", "no ONNX file .*none.onnx"),
    ("ONNX file broken", f"audit onnx:{{files}}/text.txt {DATA}", "text.txt is not an ONNX file"),
    ("training rate negative", f"train {DATA} --learning-rate=-1", "learning_rate must be positive"),
    ("training with a large batch", f"train {DATA} --batch-size 100", "batch_size must be at most"),
    ("training an unknown network", f"train {DATA} --model resnet9", "Did you mean"),
    ("training a network that cannot have BatchNorm", f"train {DATA} --model vit --batch-norm", "vit has LayerNorm"),
    ("training a network whose heads cannot share its width", f"train {DATA} --model vit --width 30",
     "multiple of 4, such as 32, got 30"),
    ("training an unknown optimizer", f"train {DATA} --optimizer adamm", "Did you mean 'adam'"),
    ("training with impossible dropout", f"train {DATA} --dropout 1", "dropout"),
    ("training for no epoch", f"train {DATA} --epochs 0", "epochs"),
    ("comparing with nothing", "compare {files}/none {files}/none", "no file"),
    ("comparing no cards", "compare {files}/text.txt {files}/text.txt", "cannot be read as JSON"),
    ("exploring without data or size", f"explore {MODEL} --no-open --port 0", "Give DATA too, or --size"),
    ("exploring at an impossible port", f"explore {MODEL} {DATA} --port 70000", "--port. Must be <= 65535"),
    ("exploring at another machine's address", f"explore {MODEL} {DATA} --host 192.0.2.1", "Choose another --"),
    ("exporting without data", "explore python:{files}/model.py:good --export page", "give DATA too"),
    ("exporting into a folder that is not empty", f"explore {MODEL} {DATA} --export {{files}}", "is not empty.*--overwrite"),
    ("images of no export", f"explore {MODEL} {DATA} --images 3", "Add --export FOLDER"),
    ("exporting an image that is not there", f"explore {MODEL} {DATA} --export page --images 100000", "there is no image 100000"),
    ("weights beside nothing", f"explore {MODEL} {DATA} --beside-weights {{files}}/weights.safetensors", "Add --beside MODEL"),
    ("options beside nothing", f"explore {MODEL} {DATA} --beside-class-indices 0,1", "--beside-class-indices is of a second model"),
    ("a detector's option for a classifier", f"explore {MODEL} {DATA} --decoder yolov8", "--decoder is for a detector. Is MODEL one"),
    ("a detector's amplitude for a classifier", f"explore {MODEL} {DATA} --amplitude picture", "'picture' is for detectors"),
    ("a classifier's options for a detector", f"explore --detector {MODEL} --mean 0.5 --num-classes 3", "--num-classes and --mean are for a classifier"),
    ("a classifier's data for a detector", f"explore --detector {MODEL} phantom --subset train", "--subset is for images of a classifier"),
    ("resizing for a detector", f"explore --detector {MODEL} phantom --size 32", "a detector resizes them itself"),
    ("a detector beside a model", f"explore --detector {MODEL} phantom --beside resnet8", "is explored alone"),
    ("exploring a detector that is none", "explore --detector python:{files}/model.py:none --no-open --port 0", "none"),
    ("exploring images without annotations", f"explore --detector {MODEL} {{files}} --no-open --port 0", "need a file of annotations"),
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
