import math
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import reference
from helpers import Constant, Memory, Standardized, noise, subject
from passband.errors import InputError
from passband.frequency.fourier import low_pass
from passband.instruments.counterexamples import (
    NORMS,
    Counterexamples,
    RobustnessCeiling,
    find_counterexamples,
    robust_accuracy_ceiling,
)
from passband.models.trial import tried

DATA = noise(samples=30, classes=3)
MODEL = Memory(DATA)

# Right and wrong samples, at any distance, some without a counterexample.
samples = st.lists(st.tuples(st.booleans(), st.floats(0, 3) | st.just(math.inf)), min_size=1, max_size=30)
bounds = st.lists(st.floats(0, 4), min_size=1, max_size=8)


def tensors(pairs):
    correct, distance = zip(*pairs, strict=True)
    return torch.tensor(correct), torch.tensor(distance, dtype=torch.float64)


@given(samples, bounds)
def test_ceiling_is_never_above_the_clean_accuracy_and_never_rises(pairs, epsilons):
    correct, distance = tensors(pairs)
    values = robust_accuracy_ceiling(correct, distance, sorted(epsilons))
    assert (values <= correct.float().mean()).all()
    assert (values.diff() <= 0).all()


@given(samples)
def test_ceiling_just_below_the_nearest_counterexample_is_the_clean_accuracy(pairs):
    correct, distance = tensors(pairs)
    nearest = distance[correct].min().item() if correct.any() else math.inf
    assume(0 < nearest < math.inf)
    below, at = robust_accuracy_ceiling(correct, distance, [math.nextafter(nearest, 0), nearest])
    assert below == correct.float().mean()
    assert at < below  # epsilon >= d is enough, as the corollary has it


def brute_force() -> tuple[list[bool], list[list[float]], list[list[float]], list[list[bool]]]:
    """Every radius of every sample, one at a time, with no early end."""
    correct, l2, linf, changes = [], [], [], []
    for image, label in zip(DATA.images / 255, DATA.labels, strict=True):
        correct.append(bool(MODEL(image[None]).argmax() == label))
        lows = [low_pass(image, radius).clamp(0, 1) for radius in range(8)]  # the corner is at 7.8
        l2.append([(image - low).norm().item() for low in lows])
        linf.append([(image - low).abs().max().item() for low in lows])
        changes.append([bool(MODEL(low[None]).argmax() != label) for low in lows])
    return correct, l2, linf, changes


def test_nearest_counterexamples_are_those_of_brute_force():
    correct, l2, linf, changes = brute_force()
    found = find_counterexamples(MODEL, DATA, batch_size=7)
    assert found.correct.tolist() == correct
    assert found.radii == 8
    assert any(map(any, changes))
    for norm, distances in (("l2", l2), ("linf", linf)):
        expected = [
            min((d for d, c in zip(ds, cs, strict=True) if c and right), default=math.inf)
            for ds, cs, right in zip(distances, changes, correct, strict=True)
        ]
        torch.testing.assert_close(found.distance[norm], torch.tensor(expected))
        for epsilon in (0, 0.05, 0.3, 1, 4):
            value = robust_accuracy_ceiling(found.correct, found.distance[norm], [epsilon])[0].item()
            assert value == pytest.approx(reference.ceiling(correct, distances, changes, epsilon))
        reached = found.distance[norm].isfinite()
        at = found.radius[norm][reached].long().tolist()
        rows = reached.nonzero()[:, 0].tolist()
        assert [distances[row][radius] for row, radius in zip(rows, at, strict=True)] == pytest.approx(
            found.distance[norm][reached].tolist(), rel=1e-4
        )
        assert found.radius[norm][~reached].isnan().all()


def test_no_more_is_shown_than_a_search_from_radius_to_radius_has_to_and_each_lfc_is_made_once(monkeypatch):
    correct, l2, linf, changes = brute_force()
    needed = 0
    for right, *distances, changed in zip(correct, l2, linf, changes, strict=True):
        best = [math.inf, math.inf]
        for radius in reversed(range(8)) if right else ():
            here = [of_norm[radius] for of_norm in distances]
            nearer = any(d < b for d, b in zip(here, best, strict=True))
            needed += nearer
            if nearer and changed[radius]:
                best = [min(d, b) for d, b in zip(here, best, strict=True)]

    made = []

    def counted(images, radius):
        made.append((len(images), radius))
        return low_pass(images, radius)

    monkeypatch.setattr(sys.modules[find_counterexamples.__module__], "low_pass", counted)
    found = find_counterexamples(MODEL, DATA)
    assert found.shown == needed < 8 * sum(correct)
    assert made == [(sum(correct), radius) for radius in reversed(range(8))]
    alone = find_counterexamples(MODEL, DATA, batch_size=1)
    assert alone.shown == needed
    for norm in NORMS:
        torch.testing.assert_close(alone.distance[norm], found.distance[norm])
        torch.testing.assert_close(alone.radius[norm], found.radius[norm], equal_nan=True)


def check_real(found: Counterexamples, model, data) -> None:
    """Hold each counterexample against the definition: it changes a right answer, at the distance that is named."""
    for norm, order in zip(NORMS, (2, math.inf), strict=True):
        for row in found.distance[norm].isfinite().nonzero()[:, 0].tolist():
            image, label = data.images[found.samples[row]] / 255, data.labels[found.samples[row]]
            low = low_pass(image, found.radius[norm][row].item()).clamp(0, 1)
            assert model(image[None]).argmax() == label != model(low[None]).argmax()
            distance = torch.linalg.vector_norm(image - low, order).item()
            assert distance == pytest.approx(found.distance[norm][row].item(), rel=1e-5)


@pytest.mark.parametrize("radii", [None, (2, 5)])
def test_counterexamples_are_images_that_the_model_answers_differently(radii):
    found = find_counterexamples(MODEL, DATA, radii=radii)
    assert found.distance["linf"].isfinite().any()
    check_real(found, MODEL, DATA)


class Sensitive(torch.nn.Module):
    """Answers 1 where the image's contrast, in steps of some size, is odd: its flips come and go with the radius."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step

    def forward(self, images):
        odd = (images.flatten(1).std(dim=1) / self.step).floor() % 2
        return 2 * torch.stack([1 - odd, odd], dim=1)


@given(
    st.floats(0.002, 0.2), st.lists(st.floats(0, 7.8), min_size=1, max_size=5, unique=True), st.integers(0, 9)
)
def test_the_bounded_search_names_real_counterexamples_and_is_never_below_the_exact_one(step, radii, seed):
    model, data = Sensitive(step), noise(samples=12, classes=2, channels=1, seed=seed)
    bounded, exact = (find_counterexamples(model, data, radii=some, batch_size=5) for some in (radii, None))
    check_real(bounded, model, data)
    assert torch.equal(bounded.correct, exact.correct)
    assert (bounded.search, exact.search) == ("bounded", "exact")
    for norm in NORMS:
        assert (bounded.distance[norm] >= exact.distance[norm] - 1e-6).all()
        ceilings = [
            robust_accuracy_ceiling(f.correct, f.distance[norm], [0, 0.1, 0.5, 1, 3])
            for f in (bounded, exact)
        ]
        assert (ceilings[0] >= ceilings[1]).all()


class Sharp(torch.nn.Module):
    """Right where an image has energy at a radius, and wrong where it has not: it changes its mind once."""

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius, self.shown = radius, 0

    def forward(self, images):
        self.shown += len(images)
        seen = (low_pass(images, self.radius) - low_pass(images, self.radius - 1)).flatten(1).abs().amax(
            dim=1
        ) > 1e-3
        return 2 * torch.stack([seen, ~seen], dim=1).float()


def test_where_a_model_changes_its_mind_once_the_bounded_search_finds_the_nearest_in_fewer_answers():
    data = noise(samples=6, classes=2, size=(64, 64))
    faint = data.images // 4 + 96  # nothing is clipped, which would bring other frequencies in
    data = replace(data, images=faint, labels=torch.zeros(6, dtype=torch.int64))
    for flip in (1, 17, 30, 44):
        bounded, exact = (find_counterexamples(Sharp(flip), data, radii=some) for some in ([0, 10, 30], None))
        assert bounded.radius["l2"].tolist() == [flip - 1] * 6
        torch.testing.assert_close(bounded.distance["l2"], exact.distance["l2"])
        assert (bounded.radii, exact.radii) == (3, 46)
        assert bounded.shown <= 6 * (3 + 5) < exact.shown or flip == 44
        model = Sharp(flip)
        pixels = tried(model, data, torch.device("cpu"))
        model.shown = 0
        found = find_counterexamples(pixels, data, radii=[0, 10, 30], batch_size=4)
        assert found.shown == bounded.shown  # whatever the batch
        asked = 6  # whether answers depend on the batch
        assert model.shown == found.shown + len(data) + asked


def test_fewer_samples_are_drawn_by_the_seed_whatever_the_order_of_the_data():
    by_class = replace(DATA, images=DATA.images[DATA.labels.argsort()], labels=DATA.labels.sort().values)
    looked = {}
    for seed in (0, 1):
        found = RobustnessCeiling(12, (2.0,)).measure(subject(MODEL, by_class, seed=seed)).counterexamples
        assert len(found.samples.unique()) == 12
        assert len(by_class.labels[found.samples].unique()) == 3
        looked[seed] = found.samples.tolist()
    assert looked[0] != looked[1]
    every = RobustnessCeiling(30).measure(subject(MODEL, by_class)).counterexamples
    assert every.samples.tolist() == list(range(30))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "at least 1 sample, got 0"),
        ({"radii": ()}, "at least one radius is needed"),
        ({"radii": (8,)}, "radius 8 is not below the corner"),
        ({"radii": (-1,)}, "radius of a component must be 0 or positive, got -1"),
    ],
)
def test_impossible_searches_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        RobustnessCeiling(**settings).measure(subject(MODEL, DATA))


def test_a_model_that_never_changes_its_mind_has_no_counterexample():
    found = find_counterexamples(Constant(1, 3), DATA)
    assert found.distance["l2"].isinf().all()
    clean = (DATA.labels == 1).float().mean()
    assert (robust_accuracy_ceiling(found.correct, found.distance["l2"], [0, 1, 1e9]) == clean).all()


def test_only_the_samples_asked_for_are_looked_at():
    order = torch.tensor([4, 2, 9])
    found = find_counterexamples(MODEL, DATA, order=order)
    whole = find_counterexamples(MODEL, DATA)
    assert torch.equal(found.samples, order)
    torch.testing.assert_close(found.distance["l2"], whole.distance["l2"][order])


def test_an_answer_that_is_not_finite_is_no_counterexample():
    """The LFC at radius 0 of a gray image is constant, and has no deviation to be divided by."""
    gray = noise(samples=30, classes=3, channels=1)
    model = Standardized(Memory(gray))
    with pytest.raises(InputError, match=r"Standardized returned NaN .* of \d+ LFCs at radius 0"):
        find_counterexamples(model, gray)
    constant = replace(gray, images=torch.full_like(gray.images, 7))
    with pytest.raises(InputError, match="Standardized returned NaN .* for 30 of 30 whole images"):
        find_counterexamples(model, constant)


def test_a_model_of_other_classes_or_sizes_is_refused():
    with pytest.raises(InputError, match="Constant has 7 outputs and noise 3 classes: a"):
        find_counterexamples(Constant(1, 7), DATA)
