"""The audit is right where the right answer is known: networks trained on phantoms."""

import pytest

import passband as pb
from passband.audit.card import ClassifierCard, Part, Share
from passband.data.phantom import SHAPE_RADIUS, texture_radius

BETWEEN = [4, 6, 8, 11]  # all of the shape is low there, and all of the texture is high


def audit_of_network_trained_on(source: str) -> ClassifierCard:
    train, test = pb.load_dataset(source, "train", limit=1200), pb.load_dataset(source, "test", limit=400)
    config = pb.RunConfig(
        dataset=source, model="resnet8", width=8, batch_norm=True, learning_rate=1e-2, epochs=6
    )
    network = pb.build_model(config.model, num_classes=4, width=config.width, batch_norm=True, seed=0)
    # Raw: a component's own scale. Dividing it by its maximum also changes its brightness and contrast, which these
    # networks have not learned to ignore.
    found = pb.audit(
        pb.train(network, train, config), test, radii=BETWEEN, amplitude="raw", ceiling_samples=0
    )
    return found.card


def accuracies(card: ClassifierCard, component: Part) -> list[Share]:
    return [point.accuracy for point in card.curve(component)]


def test_the_radii_lie_in_the_empty_band():
    assert min(BETWEEN) > SHAPE_RADIUS
    assert max(BETWEEN) < texture_radius(32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "carrier", "other"),
    [("phantom:shape=0,texture=1", "hfc", "lfc"), ("phantom:shape=1,texture=0", "lfc", "hfc")],
    ids=["texture alone", "shape alone"],
)
def test_the_component_that_carries_the_label_is_found_and_the_other_is_at_chance(source, carrier, other):
    card = audit_of_network_trained_on(source)
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
