import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import reference
from helpers import Constant, Memory, noise
from passband.frequency.fourier import low_pass
from passband.instruments.counterexamples import find_counterexamples, robust_accuracy_ceiling

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


def test_counterexamples_are_images_that_the_model_answers_differently():
    found = find_counterexamples(MODEL, DATA)
    for sample in found.distance["linf"].isfinite().nonzero()[:, 0].tolist():
        image = DATA.images[sample] / 255
        low = low_pass(image, found.radius["linf"][sample].item()).clamp(0, 1)
        assert MODEL(low[None]).argmax() != DATA.labels[sample]
        assert (image - low).abs().max().item() == pytest.approx(
            found.distance["linf"][sample].item(), rel=1e-5
        )


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
