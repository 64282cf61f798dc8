"""Other ways of preparing pictures: on pictures of which it is known what each way makes, and against the definition."""

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import passband as pb
from helpers import Constant, noise, subject
from listening import Listener
from passband.audit.classifier import Audit
from passband.audit.pictures import ExtraReading
from passband.data import resizing
from passband.data.stream import StreamedImages
from passband.errors import InputError, MissingDependencyError, UnknownNameError
from passband.frequency.component import FULL
from passband.instruments.skew import Prepared, Skew
from passband.models.pixels import PixelModel
from passband.preparation import Change, Preparation
from passband.report.extra import extra_charts
from passband.rows import to_table

SIZE = (12, 10)
UNALIASED = ("torch", "pillow-bicubic", "pillow-hamming")
ALIASED = ("torch-no-antialias", "torch-nearest", "opencv-linear")


def write(folder, pictures, labels, names="abcd"):
    """Write pictures, shaped (samples, height, width[, 3]), as a folder of PNG files, and return it as a data source."""
    for index, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        path = folder / names[label] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return f"folder:{folder}"


@pytest.fixture
def pictures(tmp_path):
    draws = np.random.default_rng(0)
    smooth = draws.integers(0, 256, (40, 10, 8, 3), dtype=np.uint8).repeat(3, axis=1).repeat(3, axis=2)
    rough = smooth // 2 + draws.integers(0, 128, smooth.shape, dtype=np.uint8)
    return write(tmp_path / "pictures", rough, np.arange(40) % 4)


class Cells(torch.nn.Module):
    """Answers by a few linear functions of the pixels, drawn at random."""

    def forward(self, images):
        weight = torch.randn(images[0].numel(), 4, generator=torch.Generator().manual_seed(0))
        return (images - 0.5).flatten(1) @ weight


def value(found, way, metric):
    (row,) = (r for r in found.rows() if str(r.component) == f"prepared:{way}" and r.metric == metric)
    return row.value


def gratings(folder, *, fine, size=96):
    """Write ten pictures of a shape of 3 cycles; some also have a louder grating of 40 cycles, too fine for 32 pixels."""
    x = np.arange(size) / size
    images = []
    for index in range(10):
        shape = 0.1 * np.cos(2 * np.pi * (3 * x + index / 10))
        grating = 0.3 * np.cos(2 * np.pi * (40 * x + index / 10)) if index < fine else 0
        images.append(np.tile(np.rint(255 * (0.5 + shape + grating)).astype(np.uint8), (size, 1)))
    return write(folder, images, np.zeros(10, dtype=int), "ab")


@pytest.mark.parametrize("fine", [0, 4, 10])
def test_a_grating_beyond_the_new_nyquist_frequency_is_heard_only_where_it_is_aliased(tmp_path, fine):
    pytest.importorskip("cv2")
    (tmp_path / "b").mkdir()
    data = pb.load_dataset(gratings(tmp_path, fine=fine), size=32)
    heard = Listener(np.array([[0, 3], [0, 8]]))  # 40 cycles in 32 pixels look like 8
    found = subject(heard, data).read(Skew((*UNALIASED, *ALIASED)))
    assert (found.whole == 0).all()
    for way in UNALIASED:
        assert (value(found, way, "skew-flips"), value(found, way, "accuracy")) == (0, 1)
    for way in ALIASED:
        assert value(found, way, "skew-flips") == value(found, way, "skew-lost") == fine / 10
        assert value(found, way, "accuracy") == value(found, way, "agreement") == 1 - fine / 10
        assert value(found, way, "skew-won") == 0
        assert value(found, way, "skew-cost") == pytest.approx(fine / 10)
        index = [str(each) for each in found.ways].index(way)
        assert found.difference[index, 3] < 0.05
        if fine:
            assert found.difference[index, 8] > 0.97


def test_a_crop_and_a_squash_move_frequencies_as_they_must(tmp_path):
    wave = np.rint(127.5 + 100 * np.cos(2 * np.pi * 12 * np.arange(192) / 192)).astype(np.uint8)
    source = write(tmp_path, [np.tile(wave, (96, 1))] * 3, [0, 0, 0], "a")
    data = pb.load_dataset(source, size=48)
    heard = Listener(np.array([[0, 6], [0, 12], [0, 3]]))
    named = subject(heard, replace(data, classes=("a", "b", "c"))).read(Skew(("@squash", "@0.5", "torch")))
    assert named.whole.tolist() == [0, 0, 0]  # 6 cycles in the middle
    assert named.predictions.tolist() == [[1] * 3, [2] * 3, [0] * 3]
    assert "Prepared by @squash instead of pillow-lanczos@1, 3 of 3 answers change" in named.words()
    assert "Prepared by torch instead of pillow-lanczos, 0 of 3 answers change" in named.words()


def test_the_same_pixels_are_no_difference_at_all(pictures):
    data = pb.load_dataset(pictures, size=(15, 12))  # half of each side
    found = subject(Cells(), data).read(Skew(("@1", "torch")))
    assert value(found, "@1", "skew-flips") == value(found, "@1", "skew-changed") == 0
    assert value(found, "@1", "skew-p") == 1
    assert found.difference[0].tolist() == [0.0] * found.difference.shape[1]
    assert found.error[0].tolist() == [0.0] * found.difference.shape[1]
    assert "Prepared by @1 instead of pillow-lanczos@squash, the images are the same." in found.words()
    assert value(found, "torch", "skew-changed") == 1


def test_rows_are_those_of_the_definition(pictures):
    data = pb.load_dataset(pictures, size=SIZE)
    found = subject(Cells(), data).read(Skew(("torch-nearest", "pillow-box@0.8")))
    (whole,) = (row for row in found.rows() if row.component == FULL)
    before = Cells()(data.images / 255).argmax(dim=1)
    assert (whole.metric, whole.value) == ("skew-whole", (before == data.labels).double().mean().item())
    height, width = SIZE
    rings = {}
    for u in range(height):
        for v in range(width):
            radius = round(np.hypot(min(u, height - u), min(v, width - v)))
            rings.setdefault(radius, []).append((u, v))
    for way in found.ways:
        other = pb.load_dataset(pictures, preparation=way.of(data.preparation))
        after = Cells()(other.images / 255).argmax(dim=1)
        right, still = before == data.labels, after == data.labels
        expected = {
            "accuracy": still,
            "agreement": after == before,
            "skew-flips": after != before,
            "skew-lost": right & ~still,
            "skew-won": ~right & still,
            "skew-changed": torch.ones(40),
        }
        for metric, each in expected.items():
            assert value(found, way, metric) == pytest.approx(each.double().mean().item()), metric
        assert 0 < value(found, way, "skew-flips") < 1
        assert value(found, way, "skew-cost") == pytest.approx(right.double().mean() - still.double().mean())
        one, two = (np.fft.fft2(each.images.numpy() / 255) for each in (data, other))
        rows = [
            row
            for row in found.rows()
            if row.component.kind == f"prepared:{way}" and row.metric == "skew-difference"
        ]
        assert [row.component.radius for row in rows] == sorted(rings)
        for row in rows:
            one_power, two_power, difference = (
                sum((abs(part[:, :, u, v]) ** 2).sum(axis=1) for u, v in rings[row.component.radius])
                for part in (one, two, two - one)
            )
            both = one_power + two_power
            ratio = difference.sum() / both.sum()
            assert row.value == pytest.approx(ratio, rel=1e-4)
            spread = (difference - ratio * both).std(ddof=1) / both.mean() / 40**0.5
            assert row.error == pytest.approx(spread, rel=1e-3)


def test_p_values_are_corrected_for_all_ways(pictures):
    found = subject(Cells(), pb.load_dataset(pictures, size=SIZE)).read(Skew(("torch-nearest", "torch")))
    right = found.predictions == found.labels
    tests = [
        pb.stats.mcnemar(
            int(((found.whole == found.labels) & ~each).sum()),
            int((each & (found.whole != found.labels)).sum()),
        )
        for each in right
    ]
    assert found.p_values() == pb.stats.holm(tests)


def test_neither_batches_nor_other_samples_nor_streaming_change_a_number(pictures):
    data = pb.load_dataset(pictures, size=SIZE)
    skew = Skew(("torch", "torch-nearest@0.9"))
    whole = subject(Cells(), data).read(skew)
    streamed = pb.load_dataset(pictures, size=SIZE, memory_limit=1, num_workers=0)
    assert isinstance(streamed.images, StreamedImages)
    for other in (
        subject(Cells(), data, batch_size=1),
        subject(Cells(), data, batch_size=7),
        subject(Cells(), data, indices=torch.arange(39, -1, -1)),
        subject(Cells(), streamed),
    ):
        again = other.read(skew)
        assert torch.equal(again.predictions, whole.predictions)
        torch.testing.assert_close(again.difference, whole.difference, rtol=1e-5, atol=0)
        torch.testing.assert_close(again.error, whole.error, rtol=1e-4, atol=1e-12)
    some = torch.tensor([4, 17, 31])
    for part in (
        subject(Cells(), data, indices=some).read(skew),
        subject(Cells(), data.take(some)).read(skew),
    ):
        assert torch.equal(part.predictions, whole.predictions[:, some])
        assert torch.equal(part.labels, whole.labels[some])


def test_samples_are_drawn_by_the_seed(pictures):
    data = pb.load_dataset(pictures, size=SIZE)
    whole = subject(Cells(), data).read(Skew(("torch",)))
    who = subject(Cells(), data, seed=3)
    drawn = who.draw(9).sort().values
    found = who.read(Skew(("torch",), samples=9))
    assert torch.equal(found.predictions, whole.predictions[:, drawn])
    assert {row.count for row in found.rows()} == {9}


def test_one_picture_has_no_errors_and_no_radius_without_power(tmp_path):
    flat = np.full((30, 24), 90, np.uint8)
    flat[0, 0] = 91  # lost by antialiasing, kept by the nearest
    data = pb.load_dataset(write(tmp_path, [flat], [0], "ab"), size=SIZE)
    found = subject(Constant(0, 1), data).read(Skew(("torch-nearest",)))
    table = to_table(found.rows())
    assert table["value"].is_finite().all()
    assert table["error"].null_count() == len(table)


def test_by_default_it_compares_usual_ways_and_what_the_model_says(pictures):
    pytest.importorskip("cv2")

    def ways(own=None, **loaded):
        model = PixelModel(Cells(), name="cells")
        model.preparation = own
        found = subject(model, pb.load_dataset(pictures, **loaded)).read(Skew())
        return [str(way) for way in found.ways]

    usual = ["pillow-bicubic", "opencv-linear", "torch-no-antialias"]
    assert ways(size=SIZE) == usual
    assert ways(size=SIZE, resize="pillow-bicubic") == usual[1:]
    assert ways(Preparation(SIZE, "squash"), size=SIZE) == usual
    assert ways(Preparation(SIZE, "crop", "pillow-bilinear", 0.875), size=SIZE) == [
        *usual,
        "pillow-bilinear@0.875",
    ]
    assert ways(Preparation((24, 20), "squash", "torch"), size=SIZE) == [*usual, "torch"]
    assert ways(Preparation((24, 20), "crop"), size=(12, 12), crop_fraction=1.0) == usual


def test_without_opencv_it_is_left_out_and_said_or_refused_if_asked_for(pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    resizing._opencv.cache_clear()
    data = pb.load_dataset(pictures, size=SIZE)
    found = subject(Cells(), data).read(Skew())
    assert [str(way) for way in found.ways] == ["pillow-bicubic", "torch-no-antialias"]
    assert found.words().endswith("Left out, since OpenCV is not installed (extra opencv): opencv-linear.")
    with pytest.raises(MissingDependencyError, match=r'pip install "passband\[opencv\]"'):
        Skew(("opencv-linear",)).check(subject(Cells(), data))


def test_it_costs_what_it_asks_and_reports_progress(pictures):
    asked, told = [], []

    class Counting(Constant):
        def forward(self, images):
            asked.append(len(images))
            return super().forward(images)

    skew = Skew(("torch", "torch-nearest"), samples=25)
    data = pb.load_dataset(pictures, size=SIZE)
    subject(Counting(0, 4), data, batch_size=10, progress=lambda *report: told.append(report)).read(skew)
    cost = skew.cost(40, SIZE).answers
    assert cost == 75
    assert cost <= sum(asked) <= cost + 20  # that each answer is one image's own is tried too
    assert told == [("skew", 10, 25), ("skew", 20, 25), ("skew", 25, 25)]


def test_images_without_pictures_are_refused_before_any_work(pictures, tmp_path):
    for data in (noise(), pb.load_dataset("phantom", limit=8)):
        with pytest.raises(
            InputError, match="cannot be prepared otherwise, since nothing prepared them.* Give --size"
        ):
            Skew().check(subject(Constant(0, 4), data))
    small = write(tmp_path / "small", np.zeros((4, *SIZE), np.uint8), range(4))
    with pytest.raises(
        InputError, match="are the same, prepared by pillow-bicubic, .*Take the original pictures"
    ):
        Skew().check(subject(Constant(0, 4), pb.load_dataset(small, size=SIZE)))
    with pytest.raises(InputError, match="are the same, prepared by pillow-lanczos"):
        Skew(("pillow-lanczos",)).check(subject(Cells(), pb.load_dataset(pictures, size=SIZE)))


def test_pictures_that_have_changed_are_refused(pictures):
    data = pb.load_dataset(pictures, size=SIZE)
    with pytest.raises(InputError, match="8 of 8 pictures .* its images were replaced. Load it again"):
        Skew().check(subject(Cells(), replace(data, images=255 - data.images)))
    changed = data.pictures.stored[30]
    Image.new("RGB", (24, 30)).save(changed)
    who = subject(Cells(), data, batch_size=20)
    Skew().check(who)  # which looks at the first ones
    with pytest.raises(
        InputError, match="1 of 20 pictures of pictures do not give the images that it has, image 30"
    ):
        who.read(Skew())
    data.pictures.stored[0].unlink()
    with pytest.raises(InputError, match="cannot decode"):
        Skew().check(who)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"ways": ()}, InputError, "ways are needed, each once, such as opencv-linear; got none"),
        (
            {"ways": ("torch@1", "torch@1.0")},
            InputError,
            "each once, such as opencv-linear; got torch@1, torch@1",
        ),
        ({"ways": ("bilinear",)}, UnknownNameError, "no resize rule named 'bilinear'"),
        ({"samples": 0}, InputError, "samples must be a whole number of at least 1, got 0"),
    ],
)
def test_impossible_settings_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        Skew(**settings)


def test_settings_are_written_as_json_holds_them():
    assert Skew(("torch@0.90",)) == Skew((" torch@0.9",))
    assert json.loads(json.dumps(Skew(("@squash", "torch@1")).to_dict())) == {
        "instrument": "skew",
        "ways": ["@squash", "torch@1"],
        "samples": None,
    }


def test_its_figure_has_bars_of_answers_and_curves_of_inputs(pictures):
    pytest.importorskip("altair")
    found = subject(Cells(), pb.load_dataset(pictures, size=SIZE)).read(Skew(("torch", "torch-nearest")))
    reading = ExtraReading("skew", "summary", to_table(found.rows()), found.figure())
    bars, curves = extra_charts([reading]).values()
    drawn = bars.to_dict()["data"]["values"]
    assert [(row["category"], row["series"]) for row in drawn] == [
        (way, series)
        for way in ("torch", "torch-nearest")
        for series in ("answered otherwise", "right before, wrong now", "wrong before, right now")
    ]
    assert drawn[0]["value"] == value(found, "torch", "skew-flips")
    lines = curves.to_dict()["data"]["values"]
    assert [row["x"] for row in lines] == 2 * list(range(9))
    assert [row["value"] for row in lines] == pytest.approx(found.difference.flatten().tolist())


def test_an_exported_network_gives_the_rows_of_the_original(exported, pictures):
    original, export = exported
    data, skew = pb.load_dataset(pictures, size=SIZE), Skew(("torch", "torch-nearest@0.8"))
    one, two = (list(subject(model, data).read(skew).rows()) for model in (original, export))
    assert [(row.component, row.metric) for row in one] == [(row.component, row.metric) for row in two]
    assert [row.value for row in two] == pytest.approx([row.value for row in one], abs=1e-3)
    assert not Skew.needs_gradient


def test_words_say_how_many_answers_change_and_where_the_inputs_differ(pictures):
    found = subject(Cells(), pb.load_dataset(pictures, size=SIZE)).read(Skew(("torch-nearest",)))
    said = re.fullmatch(
        r"Prepared by torch-nearest instead of pillow-lanczos, (\d+) of 40 answers change \(([\d.]+)% \[.*\]\); accuracy [\d.]+% -> "
        r"[\d.]+% \(p [\d.e-]+ by Holm\); the difference of the inputs first exceeds 1% of their power at radius (\d+), 10% at radius (\d+)\.",
        found.words(),
    )
    assert said is not None
    assert int(said[1]) == round(40 * value(found, "torch-nearest", "skew-flips"))
    for mark, radius in ((0.01, int(said[3])), (0.1, int(said[4]))):
        assert found.difference[0, radius] > mark
        assert (found.difference[0, :radius] <= mark).all()


def test_a_row_says_what_was_prepared_otherwise():
    assert str(Prepared(Change.read("torch@0.875"), 8.0)) == "prepared:torch@0.875:8"
    assert Prepared(Change.read("torch")).cutoff is None


def test_a_requirement_holds_against_the_largest_share_and_survives_saving(pictures, tmp_path):
    data = pb.load_dataset(pictures, size=SIZE)
    audit = pb.audit(
        Cells(), data, radii=[2], ceiling_samples=0, instruments=[Skew(("torch", "torch-nearest"))]
    )
    shares = {
        row["shown"]: row["value"] for row in audit.rows.filter(metric="skew-flips").iter_rows(named=True)
    }
    assert shares["prepared:torch-nearest"] > shares["prepared:torch"]
    audit.save(tmp_path / "audit")
    for each in (audit, Audit.load(tmp_path / "audit")):
        found = each.check("skew-flips <= 0.01")
        assert (found.met, found.value) == (False, shares["prepared:torch-nearest"])
        assert "of 40 samples, torch-nearest, the largest of torch-nearest, torch" in found.detail
        assert each.check("skew-flips < 1").met
    without = pb.audit(Cells(), data, radii=[2], ceiling_samples=0)
    with pytest.raises(InputError, match="needs the instrument skew, .* Audit again, --with skew"):
        without.check("skew-flips <= 0.01")
