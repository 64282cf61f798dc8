import math

import polars as pl
import pytest
import torch
from torch import nn

import passband as pb
from helpers import Constant, Memory, Standardized, noise, subject
from passband.data.dataset import ImageDataset
from passband.errors import InputError
from passband.instruments.flips import Flips, dealt_at_random
from passband.instruments.svd_flips import SvdFlips
from passband.models.catalog import build_model
from passband.rows import to_table

DATA = noise(180, size=(8, 8))  # nearly as many as pixels, so that answers to parts are unsure
KINDS = ("hfc", "svd", "random", "noise")

SHAPES = torch.tensor([[1, 1], [1, 2], [2, 1], [2, 2]])  # within radius 3
TEXTURES = torch.tensor([[9, 11], [11, 9], [10, 12], [12, 10]])  # beyond radius 14


def waves(frequencies, phase):
    """Return waves that share no frequency down or across, so that their singular vectors do not mix."""
    place = torch.arange(32) / 32
    down, across = frequencies[:, 0, None, None] * place[:, None], frequencies[:, 1, None, None] * place
    return torch.cos(2 * math.pi * (down + across + phase[:, None, None]))


def phantom(shape: float, texture: float, label_of: str) -> ImageDataset:
    """Return images of a shape and a texture of known amplitudes, one of which is the label, the other anything."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(48) % 4
    other, phases = torch.randint(0, 4, (48,), generator=draw), torch.rand(2, 48, generator=draw)
    cues = (labels, other) if label_of == "shape" else (other, labels)
    images = 0.5 + shape * waves(SHAPES[cues[0]], phases[0]) + texture * waves(TEXTURES[cues[1]], phases[1])
    images = (255 * images).round().to(torch.uint8)[:, None].expand(-1, 3, -1, -1).contiguous()
    return ImageDataset(images, labels, tuple("abcd"), "waves")


class Reader(nn.Module):
    """Names the one of four waves that is strongest, whatever else there is, and the first where there is none."""

    def __init__(self, frequencies):
        super().__init__()
        self.frequencies = frequencies

    def forward(self, images):
        spectrum = torch.fft.fft2(images.mean(dim=1), norm="forward").abs()
        found = spectrum[:, self.frequencies[:, 0], self.frequencies[:, 1]]
        return found + 0.01 * torch.tensor([1.0, 0, 0, 0])


@pytest.mark.parametrize(
    ("reads", "texture", "by_fourier", "by_svd"),
    [
        ("texture", 0.08, 36, 36),  # the texture is the HFC, and has the smallest singular values
        ("texture", 0.20, 36, 0),  # it has the largest ones: a half of it is dominant, and enough
        ("shape", 0.08, 0, 0),
        ("shape", 0.20, 0, 36),  # the shape is low, and trailing
    ],
)
def test_fourier_takes_textures_and_svd_takes_what_is_weak(reads, texture, by_fourier, by_svd):
    data = phantom(0.14, texture, reads)
    found = subject(Reader(TEXTURES if reads == "texture" else SHAPES), data).read(SvdFlips((6.0,)))
    counts = {kind: int(found.flips(kind).sum()) for kind in KINDS}
    # 12 of 48 images are of the class that is named where nothing is to be seen. Of a part that is neither low nor weak,
    # enough is left: noise is spread over all frequencies, and so is what a random subspace takes away.
    assert counts == {"hfc": by_fourier, "svd": by_svd, "random": 0, "noise": 0}


def rows_of(found) -> dict:
    return {(row.metric, str(row.component)): row for row in found.rows()}


def test_counts_by_the_hfc_and_their_chance_are_those_of_flips():
    who = subject(Memory(DATA), DATA)
    found, flips = who.read(SvdFlips((2.0, 3.0))), who.read(Flips((2.0, 3.0)))
    assert torch.equal(found.flips("hfc"), flips.flips)
    assert 0 < found.flips("hfc").sum() < found.flips("hfc").numel()
    torch.testing.assert_close(180 * found.by_chance("hfc").mean(dim=1).float(), flips.expected)


def test_rows_are_shares_of_all_samples_with_errors_where_these_do_not_follow():
    found = subject(Memory(DATA), DATA).read(SvdFlips((2.0, 3.0)))
    rows = rows_of(found)
    for kind in KINDS:
        flips = [rows["svd-flips", f"{kind}:{radius}"] for radius in (2, 3)]
        assert [row.value for row in flips] == found.flips(kind).double().mean(dim=1).tolist()
        assert {(row.error, row.count) for row in flips} == {(None, 180)}
        mean = rows["svd-flips", kind]
        assert mean.value == pytest.approx((flips[0].value + flips[1].value) / 2)
        assert 0 < mean.error < 0.5 / 180**0.5
        beyond = rows["svd-flips-beyond-chance", f"{kind}:3"]
        assert beyond.value == pytest.approx(flips[1].value - rows["svd-flips-by-chance", f"{kind}:3"].value)
        energy = rows["svd-taken-energy", f"{kind}:3"].value
        coarse = 0.2 if kind == "svd" else 1e-5  # there are but eight ranks
        assert energy == pytest.approx(rows["svd-taken-energy", "hfc:3"].value, rel=coarse)
    assert {component for metric, component in rows if metric == "svd-rank"} == {"svd:2", "svd:3", "svd"}
    assert rows["svd-rank", "svd:2"].value < rows["svd-rank", "svd:3"].value
    table = to_table(rows.values())
    assert set(table["component"]) == set(KINDS)
    assert set(table["radius"]) == {2.0, 3.0, None}


def test_the_error_of_chance_and_of_what_exceeds_it_are_those_of_samples_drawn_anew():
    draw = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(1500):
        labels = torch.randint(0, 3, (150,), generator=draw)
        # A network that likes class 0 and follows the part of some images.
        follows = torch.rand(150, generator=draw) < 0.3
        named = torch.where(follows, labels, torch.randint(-2, 3, (150,), generator=draw).clamp(min=0))
        could = torch.rand(150, generator=draw) < 0.2 + 0.3 * (labels == 0)
        by_chance = dealt_at_random(could, named, labels, 3)
        beyond = (could & (named == labels)).double() - by_chance
        drawn.append([each for v in (by_chance, beyond) for each in (v.mean(), v.std() / 150**0.5)])
    chance, chance_error, beyond, beyond_error = torch.tensor(drawn).T
    torch.testing.assert_close(chance.std(), chance_error.mean(), rtol=0.06, atol=0)
    torch.testing.assert_close(beyond.std(), beyond_error.mean(), rtol=0.06, atol=0)


def test_batches_and_order_change_nothing_and_the_seed_changes_what_is_drawn():
    model, asked = Memory(DATA), SvdFlips((2.0,))
    alone = subject(model, DATA).read(asked)
    shuffled = torch.randperm(180, generator=torch.Generator().manual_seed(1))
    again = subject(model, DATA, batch_size=7, indices=shuffled).read(asked)
    other = subject(model, DATA, seed=1).read(asked)
    for kind in KINDS:
        for name in ("kept", "taken"):
            first, second, third = (getattr(found.parts[kind, 2.0], name) for found in (alone, again, other))
            assert torch.equal(first[shuffled], second)
            assert torch.equal(first, third) == (kind in ("hfc", "svd"))


def test_noise_that_is_taken_away_points_to_what_it_hid():
    """A linear network answers image = rest + noise with the sum of two answers: if the rest is wrong, the noise is less so."""
    rows = rows_of(subject(Memory(DATA), DATA).read(SvdFlips((0.0, 1.0, 2.0, 3.0))))
    row = rows["svd-flips-beyond-chance", "noise"]
    assert row.value > 2 * row.error


def test_a_network_with_one_answer_has_no_flips_and_none_by_chance():
    rows = rows_of(subject(Constant(1, 4), DATA).read(SvdFlips((2.0,))))
    assert {row.value for (metric, _), row in rows.items() if metric.startswith("svd-flips")} == {0}


def test_black_and_flat_images_have_no_part_to_take():
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    images[1] = 200
    flat = ImageDataset(images, torch.tensor([0, 1]), ("a", "b"), "flat")
    found = subject(Constant(1, 2), flat).read(SvdFlips((2.0,)))
    for kind in KINDS:
        torch.testing.assert_close(found.parts[kind, 2.0].energy, torch.zeros(2), atol=1e-9, rtol=0)


def test_settings_and_data_that_do_not_fit_are_refused():
    for radii, message in (((), "at least one radius"), ((9.0,), "not below the corner")):
        with pytest.raises(InputError, match=message):
            subject(Memory(DATA), DATA).read(SvdFlips(radii))
    strips = noise(10, size=(1, 12))
    with pytest.raises(InputError, match="at least 2 pixels on each side .* got images of 1x12"):
        subject(Memory(strips), strips).read(SvdFlips())


def test_an_answer_that_is_not_finite_says_what_was_shown():
    flat = ImageDataset(torch.full((1, 3, 8, 8), 9, dtype=torch.uint8), torch.tensor([0]), tuple("abcd"), "f")
    mixed = ImageDataset(
        torch.cat([DATA.images, flat.images]), torch.cat([DATA.labels, flat.labels]), DATA.classes, "m"
    )
    model = Standardized(Memory(DATA))
    with pytest.raises(InputError, match="whole images"):
        subject(model, mixed).read(SvdFlips((2.0,)))


def test_a_network_that_answers_by_the_batch_is_refused():
    network = build_model("resnet8", width=4, num_classes=4, batch_norm=True, batch_statistics=True, seed=0)
    with pytest.raises(InputError, match="batch"):
        subject(network, DATA, training_batch=20).read(SvdFlips((2.0,)))


def test_an_onnx_file_has_the_rows_of_its_network(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    model = Memory(DATA)
    weights = onnx.numpy_helper.from_array(10 * model.weight.detach().numpy(), "w")
    nodes = [
        onnx.helper.make_node("Flatten", ["images"], ["flat"]),
        onnx.helper.make_node("MatMul", ["flat", "w"], ["logits"]),
    ]
    kinds = onnx.TensorProto.FLOAT
    inputs = [onnx.helper.make_tensor_value_info("images", kinds, ("batch", 3, 8, 8))]
    outputs = [onnx.helper.make_tensor_value_info("logits", kinds, ("batch", 4))]
    graph = onnx.helper.make_graph(nodes, "linear", inputs, outputs, [weights])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "net.onnx")
    exported = pb.load_model(f"onnx:{tmp_path / 'net.onnx'}")
    own, black_box = (rows_of(subject(each, DATA).read(SvdFlips((2.0,)))) for each in (model, exported))
    assert own.keys() == black_box.keys()
    for key, row in own.items():
        assert row.value == pytest.approx(black_box[key].value, abs=1e-3)


def test_its_figure_is_on_the_page_of_an_audit(tmp_path):
    pytest.importorskip("altair")
    found = pb.audit(Memory(DATA), DATA, radii=(2, 3), ceiling_samples=0, instruments=[SvdFlips((2.0, 3.0))])
    assert len(found.rows.filter(pl.col("metric") == "svd-flips")) == 4 * 3
    page = pb.write_report(found, tmp_path)
    assert "More than by chance" in page.read_text()
    assert (tmp_path / "figures" / "svd-More-than-by-chance.png").is_file()


def test_what_it_costs_is_how_often_the_network_is_asked():
    model, asked = Memory(DATA), []
    hook = model.register_forward_hook(lambda _, images, __: asked.append(len(images[0])))
    SvdFlips((2.0, 3.0)).measure(subject(model, DATA, batch_size=180))
    hook.remove()
    assert sum(size for size in asked if size == 180) == SvdFlips((2.0, 3.0)).cost(180, (8, 8)).answers
