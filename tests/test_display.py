"""What results show of themselves in Python: words, a chart, a table of pandas, and HTML in notebooks."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from PIL import Image

import passband as pb
from blobs import Blobs, write_scenes
from helpers import Constant, Memory, noise
from pages import HOSTILE, Page
from passband.audit.attack import measure_robustness
from passband.detection.folder import open_folder
from passband.errors import InputError, MissingDependencyError
from passband.report import words

DATA = noise(samples=60)
AUDIT = pb.audit(Memory(DATA), DATA, radii=[2, 5], ceiling_samples=0)
PLAN = pb.AttackPlan(pb.FGSM(), (0.02, 0.1), sanity_samples=0)
ATTACK = measure_robustness(Memory(DATA), DATA, [PLAN])


@pytest.fixture(scope="module")
def detected(tmp_path_factory):
    scenes = open_folder(*write_scenes(tmp_path_factory.mktemp("scenes"), 12))
    return pb.audit_detector(Blobs(), scenes, radii=[4], resamples=20)


def test_an_audit_says_what_its_page_says():
    said = AUDIT.summary().splitlines()
    assert said[0] == "Memory on noise"
    assert said[1 : 1 + len(words.summary(AUDIT.card))] == words.summary(AUDIT.card)


def test_a_model_at_chance_says_so():
    chance = pb.audit(Constant(0, 4), DATA, radii=[2, 5], ceiling_samples=0)
    assert "not measurably better than guessing" in chance.summary()
    assert "Warning: the accuracy" in chance.summary()


def test_an_outcome_has_rows_with_intervals():
    outcome = ATTACK.attacks[0].outcome
    rows = outcome.rows
    assert rows["epsilon"].to_list() == [0, 0.02, 0.1]
    assert rows["accuracy"].to_list() == pytest.approx(
        [1.0, *(point.accuracy.value for point in ATTACK.card.attacks[0].points)]
    )
    assert rows["low"].to_list()[1:] == pytest.approx(
        [point.accuracy.low for point in ATTACK.card.attacks[0].points]
    )
    assert outcome.summary().splitlines()[0] == "FGSM on 60 images"
    assert f"{rows['accuracy'][2]:.1%} right" in outcome.summary()


def test_data_say_what_they_are():
    assert (
        DATA.summary()
        == "noise (test): 60 color images of 12x10 pixels, 4 classes\nClasses: a (18), b (14), c (18), d (10)"
    )


def test_each_kind_has_its_chart(detected):
    pytest.importorskip("altair")
    comparison = pb.compare(AUDIT, AUDIT)
    told = {
        "Accuracy of Memory on the LFC and on the HFC": AUDIT,
        "Accuracy of Memory under attack": ATTACK,
        "mAP on the LFC and on the HFC": detected,
        "How far each accuracy is": comparison,
    }
    for description, found in told.items():
        assert description in found.plot().to_dict()["description"]
    with pytest.raises(InputError, match="no chart"):
        replace(comparison, differences=()).plot()


def test_a_notebook_shows_words_and_picture_and_escapes_names():
    pytest.importorskip("vl_convert")
    named = replace(DATA, name=HOSTILE, classes=(HOSTILE, "b", "c", "d"))
    found = pb.audit(Memory(DATA), named, radii=[2, 5], ceiling_samples=0)
    for each in (found, named, ATTACK, ATTACK.attacks[0].outcome, pb.compare(AUDIT, AUDIT)):
        page = Page(each._repr_html_())
        for line in each.summary().splitlines():
            assert line in page.text
        assert not page.all("script")
    assert len(Page(found._repr_html_()).all("svg")) == 1
    pictures = Page(named._repr_html_()).all("img")
    assert [picture["alt"] for picture in pictures] == [HOSTILE, "b", "c", "d"]
    assert len(found._repr_html_()) < 100_000


def test_without_what_draws_a_notebook_shows_the_words(monkeypatch):
    monkeypatch.setattr("passband.report.notebook.find_spec", lambda name: None)
    shown = AUDIT._repr_html_()
    assert "Memory answers 100.0%" in shown
    assert "Install <code>passband[report]</code> to see its chart here" in shown
    assert "<svg" not in shown


def test_rows_go_to_pandas_where_it_is():
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = AUDIT.to_pandas()
    assert list(frame.columns) == AUDIT.rows.columns
    assert frame["value"].tolist() == AUDIT.rows["value"].to_list()
    assert len(ATTACK.attacks[0].outcome.to_pandas()) == 3
    compared = pb.compare(AUDIT, AUDIT).to_pandas()
    assert compared["measure"][0] == "clean"
    assert set(compared["audit"]) == {"Memory (audit 2)"}


def test_without_pandas_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pip install pandas pyarrow; or go on with .rows"):
        AUDIT.to_pandas()


ALONE = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name == "passband.report" or name.startswith("passband.report."):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Nothing())
import torch
from passband.audit.classifier import Audit, audit
from passband.data.dataset import ImageDataset

images = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8)
data = ImageDataset(images, torch.arange(40) % 2, ("a", "b"), "noise")
found = audit(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2)), data, radii=[2])
found.save(sys.argv[1])
print(Audit.load(sys.argv[1]), found.check("clean >= 0").met, len(found.rows) > 0)
try:
    found.summary()
except ModuleNotFoundError as error:
    print(error)
"""


def test_an_audit_needs_nothing_of_what_draws_it(tmp_path):
    """The layers say so of what is imported; this, of what runs."""
    ran = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path / "a")], capture_output=True, text=True, check=True
    )
    first, second = ran.stdout.splitlines()
    assert first.startswith("Audit(Sequential on noise (test)")
    assert first.endswith("True True")
    assert second == "No module named 'passband.report'"


def test_a_data_set_that_is_read_when_needed_shows_its_images_too(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for place in range(3):
            pixels = torch.randint(0, 256, (8, 8, 3), dtype=torch.uint8).numpy()
            Image.fromarray(pixels).save(tmp_path / name / f"{place}.png")
    data = pb.load_dataset(f"folder:{tmp_path}", memory_limit=100, num_workers=0)
    assert repr(data).endswith("6 images of 3x8x8, 2 classes, read when needed)")
    assert [picture["alt"] for picture in Page(data._repr_html_()).all("img")] == ["a", "b"]
