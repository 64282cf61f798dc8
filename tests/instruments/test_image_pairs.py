"""Partners of another class, and errors of means over pairs that share images: against samples drawn anew."""

import pytest
import torch

from passband.instruments.image_pairs import draw_partners, error_over_pairs


@pytest.mark.parametrize("counts", [(20, 20, 20), (50, 1), (1, 2, 0, 40, 7)])
def test_partners_are_of_another_class_and_each_as_likely_as_the_others(counts):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    count, times = len(labels), 3000
    drawn = torch.stack([draw_partners(labels, torch.arange(count), seed) for seed in range(times)])
    assert (labels[drawn] != labels).all()
    for sample in (0, count // 2, count - 1):
        others = (labels != labels[sample]).nonzero()[:, 0]
        found = torch.bincount(drawn[:, sample], minlength=count)[others].double()
        expected = times / len(others)
        square = ((found - expected) ** 2 / expected).sum() - (len(others) - 1)
        assert abs(square) < 5 * (2 * max(len(others) - 1, 1)) ** 0.5  # chi-squared, five deviations


def test_a_partner_follows_from_seed_and_position_and_not_from_order():
    labels = torch.randint(0, 4, (60,), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(100, 160)
    shuffled = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    one = positions[draw_partners(labels, positions, 0)]
    again = positions[shuffled][draw_partners(labels[shuffled], positions[shuffled], 0)]
    assert torch.equal(one[shuffled], again)
    assert not torch.equal(one, positions[draw_partners(labels, positions, 1)])


def literal_error(values: list[float], partners: list[int]) -> float:
    """The sum over all pairs of pairs that share an image of the products of their deviations."""
    count = len(values)
    mean = sum(values) / count
    total = 0.0
    for i in range(count):
        for j in range(count):
            if {i, partners[i]} & {j, partners[j]}:
                total += (values[i] - mean) * (values[j] - mean)
    alone = sum((value - mean) ** 2 for value in values)
    return (max(total, alone) / (count * (count - 1))) ** 0.5


@pytest.mark.parametrize("seed", range(20))
def test_the_error_is_the_sum_over_pairs_that_share_an_image(seed):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(12) % 2
    partners = draw_partners(labels, torch.arange(12), seed)
    worth = torch.randn(12, generator=draw).double()
    values = worth[partners] + 0.3 * torch.randn(12, generator=draw).double()
    assert error_over_pairs(values, partners) == pytest.approx(
        literal_error(values.tolist(), partners.tolist())
    )


@pytest.mark.parametrize("reads", ["phase", "amplitude", "both"])
def test_the_error_is_that_of_samples_and_partners_drawn_anew(reads):
    """A network is right or wrong on the image that it follows, wherever that one's amplitudes or phases are."""
    draw, drawn = torch.Generator().manual_seed(0), []
    for seed in range(1500):
        labels, right = torch.arange(100) % 4, torch.rand(100, generator=draw) < 0.7
        partners = draw_partners(labels, torch.arange(100), seed)
        shown = {"phase": right, "amplitude": right[partners], "both": right & right[partners]}[reads]
        values = shown.double()
        drawn.append([values.mean(), error_over_pairs(values, partners), values.std() / 10])
    means, errors, as_if_independent = torch.tensor(drawn).T
    assert errors.mean() / means.std() == pytest.approx(1, abs=0.09)
    if reads == "amplitude":
        assert as_if_independent.mean() / means.std() == pytest.approx(0.5**0.5, abs=0.05)


def test_equal_values_have_no_error():
    assert error_over_pairs(torch.ones(4), torch.tensor([1, 0, 1, 0])) == 0
