"""The audit is right where the right answer is known: networks trained on phantoms."""

import pytest

import passband as pb
from helpers import trained_on
from passband.audit.card import ClassifierCard, Part, Share
from passband.data.phantom import SHAPE_RADIUS, texture_radius

BETWEEN = [4, 6, 8, 11]  # all of the shape is low there, and all of the texture is high


def audit_of_network_trained_on(cue: str) -> ClassifierCard:
    network, test = trained_on(cue)
    # Raw: a component's own scale. Dividing it by its maximum also changes its brightness and contrast, which these
    # networks have not learned to ignore.
    return pb.audit(network, test, radii=BETWEEN, amplitude="raw", ceiling_samples=0).card


def accuracies(card: ClassifierCard, component: Part) -> list[Share]:
    return [point.accuracy for point in card.curve(component)]


def test_the_radii_lie_in_the_empty_band():
    assert min(BETWEEN) > SHAPE_RADIUS
    assert max(BETWEEN) < texture_radius(32)


@pytest.mark.slow
@pytest.mark.parametrize(("cue", "carrier", "other"), [("texture", "hfc", "lfc"), ("shape", "lfc", "hfc")])
def test_the_component_that_carries_the_label_is_found_and_the_other_is_at_chance(cue, carrier, other):
    card = audit_of_network_trained_on(cue)
    assert card.clean.accuracy.low > 0.9
    for carried in accuracies(card, carrier):
        assert carried.low > 0.9
    for empty in accuracies(card, other):
        assert empty.low <= 1 / len(card.data.classes) <= empty.high
    radius = card.critical_radius.half
    if carrier == "lfc":  # the shape is whole at the smallest radius measured
        assert radius.radius == min(BETWEEN)
        assert radius.note is not None
    else:
        assert radius.radius is None
    flips = card.flips
    assert (flips.samples > flips.eligible / 2) is (carrier == "hfc")
