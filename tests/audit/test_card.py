import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import passband as pb
from helpers import Memory, noise
from passband.attacks import FGSM
from passband.audit.attack import measure_robustness
from passband.audit.card import AttackCard, CeilingPoint, ClassifierCard, CriticalRadius, read_card
from passband.errors import InputError
from passband.robustness.plan import AttackPlan

RECORDED = Path(__file__).parents[1] / "recorded" / "version-0.1"
DATA = noise(samples=24)
PLAN = AttackPlan(FGSM(), (8 / 255, 0.2), sanity_samples=4)
AUDIT = pb.audit(Memory(DATA), DATA, radii=[2, 5], attacks=[PLAN]).card
ATTACK = measure_robustness(Memory(DATA), DATA, [PLAN]).card
WITHOUT = pb.audit(Memory(DATA), DATA, radii=[2], ceiling_samples=0, precision=0.9).card
OLD = json.loads((RECORDED / "audit" / "card.json").read_text())

numbers = st.floats(0, 1)


@pytest.mark.parametrize("card", [AUDIT, ATTACK, WITHOUT], ids=["audit", "attack", "no ceiling"])
def test_a_card_is_read_back_equal(card):
    assert type(card).from_dict(json.loads(json.dumps(card.to_dict(), allow_nan=False))) == card


@settings(max_examples=20)
@given(
    st.lists(st.tuples(numbers, numbers), max_size=5), st.none() | numbers, st.none() | st.text(), st.text()
)
def test_any_numbers_and_texts_are_read_back_equal(curve, radius, note, name):
    card = replace(
        AUDIT,
        model=replace(AUDIT.model, name=name, source=note),
        critical_radius=replace(AUDIT.critical_radius, most=CriticalRadius(radius, note)),
        ceiling=replace(AUDIT.ceiling, l2=tuple(CeilingPoint(*pair) for pair in curve), median_l2=radius),
    )
    assert ClassifierCard.from_dict(json.loads(json.dumps(card.to_dict()))) == card


@pytest.mark.parametrize(
    ("kind", "file"), [(ClassifierCard, "audit/card.json"), (AttackCard, "attack/attack.json")]
)
def test_cards_of_version_0_1_are_read_and_written_as_they_were(kind, file):
    document = json.loads((RECORDED / file).read_text())
    card = kind.from_dict(document, file)
    for entry in document["robustness"]:
        if entry["attack"]["name"] == "fgsm":  # it never had what version 0.1 wrote of it
            entry["attack"] = {"name": "fgsm", "norm": "linf", "band": None}
    if "ceiling" in document:  # which was exact before there was another
        document["ceiling"]["search"] = "exact"
    written = card.to_dict()
    assert written.pop("notices") == []  # which it did not have
    assert json.dumps(written, indent=2) == json.dumps(document, indent=2)
    assert card.attacks[0].points[0].astray is None  # which was not counted yet


def test_a_card_from_before_attacks_has_none():
    assert ClassifierCard.from_dict({k: v for k, v in OLD.items() if k != "robustness"}).attacks == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no file"),
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("9" * 5000, "cannot be read as JSON"),
        ("[]", "is not a card of `passband audit`"),
        ('{"kind": "spectrum"}', "is not a card of `passband audit`"),
        ('{"kind": "attack", "schema": 1}', "is not a card of `passband audit`"),
        (
            '{"kind": "audit", "schema": 99}',
            "has schema 99, this passband reads 1. Run `passband audit` again",
        ),
        ('{"kind": "audit"}', "has schema None"),
    ],
)
def test_what_is_not_a_card_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "card.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("clean", ..., "the key clean is missing"),
        ("clean.accuracy.low", ..., "the key clean.accuracy.low is missing"),
        ("clean.accuracy.low", "0.5", "clean.accuracy.low must be a number, got '0.5'"),
        ("clean.accuracy.low", None, "clean.accuracy.low must be a number, got None"),
        ("clean.accuracy.low", True, "clean.accuracy.low must be a number, got True"),
        ("clean.accuracy.low", float("nan"), "clean.accuracy.low must be a number, got nan"),
        ("clean.accuracy.low", 10**400, "clean.accuracy.low must be a number, got 1000"),
        ("clean.accuracy.count", 1.5, "clean.accuracy.count must be a whole number, got 1.5"),
        ("clean.accuracy", 0.5, "clean.accuracy must be an object, got 0.5"),
        ("cleann", 1, "unknown key cleann; known are notices"),
        ("curves.2.component", "mid", r"curves\[2\].component must be one of 'lfc', 'hfc', got 'mid'"),
        ("curves", {}, "curves must be a list, got {}"),
        ("data.classes.3", 7, r"data.classes\[3\] must be a text, got 7"),
        ("settings.inclusive", "yes", "settings.inclusive must be true or false, got 'yes'"),
        ("traces.statistics", [], r"traces.statistics must be an object, got \[\]"),
        ("traces.statistics.chroma pairing", "x", "traces.statistics.chroma pairing must be a number"),
        ("robustness.0.attack.name", "ghost", r"robustness\[0\].attack: .*ghost"),
        ("robustness.0.attack.speed", 1, r"robustness\[0\].attack: .*speed"),
        ("robustness.0.attack", "fgsm", r"robustness\[0\].attack must be an object"),
        ("robustness.1.norm", [], r"robustness\[1\].norm must be one of"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("untyped")
def test_a_key_that_is_missing_unknown_or_of_the_wrong_type_is_named_with_its_file(
    tmp_path, key, value, message
):
    document = json.loads(json.dumps(OLD))
    *path, last = (int(part) if part.isdigit() else part for part in key.split("."))
    place = document
    for part in path:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    (tmp_path / "card.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=f"card.json: {message}"):
        read_card(tmp_path)


def test_a_card_is_read_from_its_file_or_its_folder(tmp_path):
    (tmp_path / "card.json").write_text(json.dumps(AUDIT.to_dict()))
    assert read_card(tmp_path) == read_card(tmp_path / "card.json") == AUDIT
