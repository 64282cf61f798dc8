import polars as pl
import pytest
import torch
from torch import nn

import passband as pb
from helpers import Constant, Memory, noise, subject
from passband.data.dataset import ImageDataset
from passband.errors import InputError
from passband.frequency.component import FULL, Low, lows_and_highs
from passband.frequency.degraded import Blurred, Compressed, Noisy, Reduced
from passband.instruments.components import Answers, ComponentAccuracy
from passband.instruments.degradations import Degradations, FoundDegradations, default_degraded
from passband.models.load import load_model
from passband.rows import to_table

DATA = noise()
MODEL = Memory(DATA)
FEW = (Reduced(5), Compressed(30), Blurred(0.7), Noisy(0.1))


def given(shown, shares, *, count=200, size=(32, 32), classes=4):
    """Return answers of which these shares are right, the first ones; class 0 is that of a fourth of the images."""
    images = torch.zeros(count, 1, *size, dtype=torch.uint8)
    labels = torch.arange(count) % classes
    who = subject(Constant(0, classes), ImageDataset(images, labels, tuple("abcd"[:classes]), "made up"))
    right = torch.stack([torch.arange(count) < round(share * count) for share in shares])
    predictions = torch.where(right, labels, (labels + 1) % classes)
    empty = torch.zeros(predictions.shape)
    return Answers(
        who, shown, torch.arange(count), labels, predictions, empty, empty, predictions, "raw", 1.0
    )


LOWS = (FULL, Low(2), Low(4), Low(8), Low(16))


def found(degraded, shares, *, clean=1.0, lows=(0.3, 0.4, 0.8, 0.9), **settings):
    answers = given((FULL, *degraded), (clean, *shares), **settings)
    return FoundDegradations(answers, given(LOWS, (clean, *lows), **settings))


def test_the_radius_that_costs_as_much_is_interpolated_on_the_lfc_curve():
    blurs = (Blurred(1), Blurred(2), Blurred(3), Blurred(4), Blurred(5))
    radii = found(blurs, (0.99, 0.95, 0.85, 0.6, 0.26)).radii()
    assert radii[Blurred(1)] is None  # 2 of 200 images are no measurable loss
    assert radii[Blurred(2)] is None  # no LFC measured is answered so well
    assert radii[Blurred(3)] == pytest.approx(12)
    assert radii[Blurred(4)] == pytest.approx(6)
    assert radii[Blurred(5)] is None  # not above the 25% of guessing


def test_there_is_no_radius_below_the_smallest_that_was_measured():
    assert found((Blurred(1),), (0.5,), lows=(0.6, 0.7, 0.8, 0.9)).radii() == {Blurred(1): None}
    assert found((Blurred(1),), (0.6,), lows=(0.6, 0.7, 0.8, 0.9)).radii() == {Blurred(1): None}


def test_limits_lie_where_accuracy_first_falls_below_what_is_to_be_kept():
    shown = (Reduced(24), Reduced(16), Compressed(50), Compressed(10), Blurred(1), Blurred(2), Blurred(3))
    reading = found(shown, (1.0, 0.9, 0.9, 0.8, 0.97, 0.9, 1.0))
    limits = {limit.kind: limit for limit in reading.limits()}
    assert limits[Reduced][1:] == (pytest.approx(20), None)
    assert limits[Compressed][1:] == (50, "at once")
    assert limits[Blurred][1:] == (pytest.approx(1 + 2 / 7), None)  # and not 3, where it is higher again
    assert set(limits) == {Reduced, Compressed, Blurred}
    assert reading.words() == (
        "It keeps 95% of its accuracy down to 20 px, up to a blur of 1.2 px. At the weakest measured it keeps less already: JPEG "
        "quality 50. The accuracy is 100.0% of 200 images [98.1%, 100.0%]; limits between two strengths are interpolated."
    )


def test_between_the_whole_image_and_the_weakest_strength_it_is_interpolated_too():
    limits = found((Reduced(16), Blurred(1), Noisy(0.1)), (0.9, 0.9, 0.9)).limits()
    assert [limit.strength for limit in limits] == pytest.approx([24, 0.5, 0.05])


def test_nothing_is_extrapolated():
    reading = found((Compressed(50), Compressed(10), Noisy(0.1)), (1.0, 0.96, 0.95))
    assert [limit[1:] for limit in reading.limits()] == [(10, "never"), (pytest.approx(0.1), None)]
    assert (
        "The limit is not reached within the strengths measured, where it keeps as much still: JPEG quality 10."
        in reading.words()
    )


@pytest.mark.parametrize("clean", [0.0, 0.2, 0.26, 0.27])
def test_no_limit_is_named_where_guessing_may_keep_it(clean):
    reading = found((Blurred(1), Noisy(0.1)), (clean, clean), clean=clean, lows=(clean,) * 4)
    assert reading.limits() == ()
    said = f"Guessing alone may keep 95% of the accuracy, so that no limit can be named: it is {clean:.1%} of 200 images ["
    assert reading.words().startswith(said)
    assert set(reading.radii().values()) == {None}


def test_a_constant_network_has_neither_limits_nor_radii():
    reading = subject(Constant(2, 4), DATA).read(Degradations())
    assert reading.limits() == ()
    assert set(reading.radii().values()) == {None}
    assert {row.value for row in reading.rows() if row.metric == "degradations-lost"} == {0.0}


def test_rows_say_what_was_shown_and_do_not_repeat_the_whole_image():
    reading = subject(MODEL, DATA).read(Degradations(FEW))
    table = to_table(reading.rows())
    assert set(table["shown"]) == {"size:5", "jpeg:30", "blur:0.7", "noise:0.1"}
    of_lfc = pl.col("metric") == "degradations-radius"
    assert set(table.filter(~of_lfc)["amplitude"]) == {"raw"}
    assert set(table.filter(of_lfc)["amplitude"]) <= {"max"}
    assert table["radius"].null_count() == len(table)
    right = reading.answers.correct.double()
    for index, degraded in enumerate(reading.answers.shown):
        if degraded != FULL:
            (lost,) = table.filter(pl.col("shown") == str(degraded), metric="degradations-lost").iter_rows(
                named=True
            )
            difference = right[0] - right[index]
            assert lost["value"] == pytest.approx(difference.mean().item())
            assert lost["error"] == pytest.approx(difference.std().item() / 40**0.5)
    assert len(table.filter(metric="degradations-p")) == 4


def test_neither_batches_nor_other_samples_change_an_answer():
    whole = subject(MODEL, DATA).read(Degradations(FEW)).answers
    single = subject(MODEL, DATA, batch_size=7).read(Degradations(FEW)).answers
    assert torch.equal(single.predictions, whole.predictions)
    some = torch.tensor([31, 4, 17])
    part = subject(MODEL, DATA, indices=some).read(Degradations(FEW)).answers
    assert torch.equal(part.predictions, whole.predictions[:, some])
    torch.testing.assert_close(part.confidence, whole.confidence[:, some])


def test_noise_is_drawn_by_the_seed_and_named_with_it():
    assert [str(each) for each in default_degraded((32, 32), 3)[-2:]] == ["noise:0.26@3", "noise:0.38@3"]
    one, again, other = (subject(MODEL, DATA, seed=seed).read(Degradations()).answers for seed in (1, 1, 2))
    assert torch.equal(one.confidence, again.confidence)
    assert not torch.equal(one.confidence[-1], other.confidence[-1])
    assert torch.equal(one.confidence[:-7], other.confidence[:-7])  # all but noise


def test_answers_that_were_given_already_are_read():
    who, calls = subject(MODEL, DATA), []
    hook = MODEL.register_forward_hook(lambda *_: calls.append(1))
    who.read(ComponentAccuracy())
    before = len(calls)
    who.read(Degradations())
    hook.remove()
    assert len(calls) - before == 3 + 1 + len(default_degraded(DATA.size))  # three to check independence


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 1), (8, 9), (28, 28), (224, 224), (96, 300)])
def test_strengths_suit_every_size_and_none_comes_twice(size):
    shown = default_degraded(size)
    assert len(set(shown)) == len(shown)
    for degraded in shown:
        degraded.check(size)
        degraded.of(torch.rand(1, *size))
    if min(size) >= 16:
        assert len(shown) == 28


class Pixelated(Blurred):
    kind = "pixelated"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"degraded": ()}, r"degraded images are needed, such as those of size, jpeg, blur, noise, got \(\)"),
        ({"degraded": (Pixelated(4),)}, "degraded images are needed"),
        ({"kept": 1.0}, "between 0 and 1, got 1.0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Degradations(**settings)


def test_what_does_not_fit_the_images_is_refused_before_any_work():
    with pytest.raises(InputError, match="12x10 pixels are not reduced to 10"):
        Degradations((Reduced(10),)).check(subject(MODEL, DATA))
    with pytest.raises(InputError, match="each component is measured once"):
        Degradations((Blurred(1), Blurred(1))).check(subject(MODEL, DATA))
    two = noise(channels=2)
    with pytest.raises(InputError, match="JPEG stores images of 1 or 3 channels, these have 2"):
        Degradations().check(subject(Memory(two), two))
    subject(Memory(two), two).read(Degradations((Blurred(1), Noisy(0.1))))


def test_settings_are_written_as_text():
    settings = Degradations((Noisy(0.1), Blurred(2), Blurred(1)), (4,)).to_dict()
    assert settings["degraded"] == ["blur:1", "blur:2", "noise:0.1"]
    assert settings["radii"] == [4.0]


class Waves(nn.Module):
    """Tells a phantom's class by the power of its waves; an image without any is taken for the first class."""

    def __init__(self, dataset: ImageDataset) -> None:
        super().__init__()
        power = self.power(dataset.images / 255)
        means = torch.stack(
            [power[dataset.labels == label].mean(dim=0) for label in range(len(dataset.classes))]
        )
        self.register_buffer("templates", means / means.norm(dim=1, keepdim=True))
        self.register_buffer("bias", 2e-3 * nn.functional.one_hot(torch.tensor(0), len(means)))

    def power(self, images):
        waves = torch.fft.rfft2(images.mean(dim=1), norm="forward").abs().square()
        waves[:, 0, 0] = 0
        return 100 * waves.flatten(1)

    def forward(self, images):
        return self.power(images) @ self.templates.T + self.bias


def read_phantom(source, **settings):
    train, test = pb.load_dataset(source, "train", limit=600), pb.load_dataset(source, "test", limit=200)
    return subject(Waves(train), test).read(Degradations(amplitude="raw", **settings))


def test_a_shape_alone_outlives_blur_and_small_sizes():
    reading = read_phantom("phantom:shape=1,texture=0")
    limits = {limit.kind: limit for limit in reading.limits()}
    assert reading.clean > 0.95
    assert (
        limits[Blurred].note == "never"
    )  # waves of at most 3 cycles in 32 pixels: sigma 2 leaves half of them
    assert limits[Reduced].strength <= 12


def test_a_texture_alone_dies_of_both_at_the_radius_where_it_lies():
    reading = read_phantom("phantom:shape=0,texture=1")
    limits = {limit.kind: limit for limit in reading.limits()}
    assert reading.clean > 0.95
    assert limits[Blurred].note is None
    assert limits[Blurred].strength < 1.5
    assert limits[Reduced].strength > 16  # periods of 2.5 pixels in 32
    radii = reading.radii()
    named = [
        radii[each] for each in reading.degraded if isinstance(each, Blurred) and radii[each] is not None
    ]
    assert all(8 < radius <= 16 for radius in named)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3)
        self.linear = nn.Linear(4, 4, bias=False)
        for weight in (self.convolution.weight, self.convolution.bias, self.linear.weight):
            weight.data = torch.randn(weight.shape, generator=draws)

    def forward(self, images):
        return self.linear(self.convolution(images).relu().mean(dim=(2, 3)))


def exported_onnx(net, path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    make, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        make.make_node("Conv", ["images", "w", "b"], ["convolved"]),
        make.make_node("Relu", ["convolved"], ["features"]),
        make.make_node("ReduceMean", ["features"], ["pooled"], axes=[2, 3], keepdims=0),
        make.make_node("MatMul", ["pooled", "l"], ["logits"]),
    ]
    weights = {"w": net.convolution.weight, "b": net.convolution.bias, "l": net.linear.weight.T}
    graph = make.make_graph(
        nodes,
        "net",
        [make.make_tensor_value_info("images", kind, ("batch", 3, 12, 10))],
        [make.make_tensor_value_info("logits", kind, ("batch", 4))],
        [onnx.numpy_helper.from_array(w.detach().contiguous().numpy(), n) for n, w in weights.items()],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path / "net.onnx")
    return f"onnx:{path / 'net.onnx'}"


def exported_by_torch(net, path):
    images = (torch.rand(3, 3, 12, 10),)
    free = {"images": {0: torch.export.Dim("batch", min=1)}}
    torch.export.save(torch.export.export(net, images, dynamic_shapes=free), path / "net.pt2")
    return f"export:{path / 'net.pt2'}"


@pytest.mark.parametrize("export", [exported_onnx, exported_by_torch])
def test_an_exported_network_has_the_rows_of_the_original(export, tmp_path):
    net = Small().eval()
    wanted = to_table(subject(net, DATA).read(Degradations()).rows())
    loaded = load_model(export(net, tmp_path))
    rows = to_table(subject(loaded, DATA).read(Degradations()).rows())
    assert not Degradations.needs_gradient
    assert rows.drop("value", "error").equals(wanted.drop("value", "error"))
    assert (rows["value"] - wanted["value"]).abs().max() < 1e-3


def test_the_sentence_and_the_figure_are_on_the_page_of_an_audit(tmp_path):
    pytest.importorskip("altair")
    audit = pb.audit(MODEL, DATA, ceiling_samples=0, instruments=[Degradations()])
    (extra,) = audit.extra
    assert extra.words is not None
    assert extra.words.startswith("It keeps 95% of its accuracy")
    page = pb.write_report(audit, tmp_path)
    assert extra.words in page.read_text()
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {
        f"degradations-{name}.png" for name in ("Resolution", "JPEG", "Gaussian-blur", "Gaussian-noise")
    } <= drawn
    keys = ("shown", "metric", "class", "component", "amplitude", "norm", "epsilon")
    assert not audit.rows.select(keys).is_duplicated().any()


def test_one_picture_is_enough_to_be_read():
    table = to_table(subject(MODEL, DATA, indices=torch.tensor([3])).read(Degradations()).rows())
    assert table["value"].is_finite().all()


def test_lfcs_are_those_of_the_settings():
    reading = subject(MODEL, DATA).read(Degradations(FEW, (2, 4), "clip"))
    assert reading.low.shown == (FULL, *lows_and_highs([2, 4]))
    assert (reading.low.amplitude, reading.answers.amplitude) == ("clip", "raw")
