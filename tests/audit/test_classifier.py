import json
import math

import polars as pl
import pytest
import torch

import passband as pb
from helpers import Constant, Memory, ask, noise
from passband.audit.card import Baselines
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import High, Low
from passband.frequency.fourier import split
from passband.instruments.components import default_radii
from passband.instruments.counterexamples import ceiling_curve, find_counterexamples
from passband.rows import COLUMNS, SAMPLE_COLUMNS

DATA = noise(samples=60)
MODEL = Memory(DATA)
AUDIT = pb.audit(MODEL, DATA, radii=[5, 2])


def test_card_is_json_and_its_numbers_are_those_of_the_rows():
    card = AUDIT.card
    assert type(card).from_dict(json.loads(json.dumps(card.to_dict(), allow_nan=False))) == card
    assert card.settings.radii == (2, 5)
    assert card.data.fingerprint == DATA.fingerprint
    for point in card.curves:
        for metric, found in (("accuracy", point.accuracy), ("agreement", point.agreement)):
            row = AUDIT.rows.filter(
                pl.col("component") == point.component,
                pl.col("radius") == point.radius,
                pl.col("metric") == metric,
                pl.col("class").is_null(),
            )
            assert row["value"].item() == pytest.approx(found.value)
            assert found.low <= found.value <= found.high
            assert row["count"].item() == found.count == 60
    assert [c.count for c in card.classes] == DATA.class_counts().tolist()
    assert card.baselines == Baselines(majority=DATA.majority_baseline)
    low, high = (card.curve(component)[0].energy for component in ("lfc", "hfc"))
    assert low + high == pytest.approx(1)


def test_default_radii_are_chosen_from_the_size():
    assert pb.audit(MODEL, DATA, ceiling_samples=0).card.settings.radii == tuple(default_radii(DATA.size))


def test_flips_are_right_on_image_and_hfc_and_wrong_on_the_lfc():
    outcome = ask(MODEL, DATA, [2, 5])
    pairs = {
        (sample, radius)
        for sample in range(60)
        for radius in (2, 5)
        if outcome.correct[0, sample]
        and outcome.correct[outcome.of(High(radius)), sample]
        and not outcome.correct[outcome.of(Low(radius)), sample]
    }
    flips = AUDIT.card.flips
    assert flips.pairs == len(pairs) > 0
    assert flips.samples == len({sample for sample, _ in pairs})
    assert len(AUDIT.panels) == min(8, flips.samples)
    assert len({panel.sample for panel in AUDIT.panels}) == len(AUDIT.panels)
    for panel in AUDIT.panels:
        assert (panel.sample, panel.radius) in pairs
        predicted = panel.probabilities.argmax(dim=1)
        assert predicted[0] == predicted[2] == panel.label != predicted[1]
        low, high = split(panel.original, panel.radius)
        torch.testing.assert_close(panel.low, low.clamp(0, 1))
        torch.testing.assert_close(panel.high, high)


def test_panels_are_the_clearest_first():
    energy = {point.radius: point.energy for point in AUDIT.card.curve("lfc")}
    clarity = [p.probabilities.max(dim=1).values.min().item() * energy[p.radius] for p in AUDIT.panels]
    assert clarity == sorted(clarity, reverse=True)


def test_a_model_without_flips_has_no_panels_and_still_a_strip():
    found = pb.audit(Constant(0, 4), DATA, radii=[2])
    assert found.panels == ()
    assert found.card.flips.pairs == 0
    assert found.strip.label == "a"  # of an image that is predicted right
    torch.testing.assert_close(found.strip.low + found.strip.high, found.strip.original.expand(1, -1, -1, -1))


def test_ceiling_starts_at_the_clean_accuracy_and_never_rises():
    ceiling = AUDIT.card.ceiling
    for norm in ("l2", "linf"):
        values = [point.accuracy for point in ceiling.curve(norm)]
        assert values[0] == pytest.approx(AUDIT.card.clean.accuracy.value)
        assert values == sorted(values, reverse=True)
        rows = AUDIT.rows.filter(pl.col("metric") == "accuracy-ceiling", pl.col("norm") == norm).sort(
            "epsilon"
        )
        assert rows["value"].to_list() == values
    assert any(point.epsilon == pytest.approx(8 / 255) for point in ceiling.linf)


def test_ceiling_can_be_left_out_or_taken_on_fewer_samples():
    without = pb.audit(MODEL, DATA, radii=[2], ceiling_samples=0)
    assert without.card.ceiling is None
    assert without.counterexamples is None
    assert pb.audit(MODEL, DATA, radii=[2], ceiling_samples=7).card.ceiling.samples == 7


def test_the_ceiling_is_bounded_and_rests_on_100_images_unless_asked_otherwise():
    many = noise(samples=130)
    model, defaults = Memory(many), {"radii": [2, 5], "seed": 3}
    bounded = pb.audit(model, many, **defaults)
    ceiling = bounded.card.ceiling
    assert (ceiling.search, ceiling.samples, ceiling.radii) == ("bounded", 100, 2)
    assert 0 < ceiling.shown <= 2 * 100 + 2 * ceiling.fooled
    assert set(bounded.rows.filter(metric="accuracy-ceiling")["count"]) == {100}
    assert bounded.counterexamples.samples.tolist() != list(range(100))
    assert pb.audit(model, many, ceiling_samples=120, **defaults).card.ceiling.samples == 120
    exact = pb.audit(model, many, ceiling="exact", **defaults)
    assert (exact.card.ceiling.search, exact.card.ceiling.samples, exact.card.ceiling.radii) == (
        "exact",
        130,
        8,
    )
    found = find_counterexamples(model, many)
    for norm in ("l2", "linf"):
        assert torch.equal(exact.counterexamples.distance[norm], found.distance[norm])
        rows = exact.rows.filter(metric="accuracy-ceiling", norm=norm)["value"].to_list()
        assert rows == [value for _, value in ceiling_curve(found, norm)]
        mine = exact.counterexamples.distance[norm][bounded.counterexamples.samples]
        assert (bounded.counterexamples.distance[norm] >= mine - 1e-6).all()


def test_what_is_saved_is_read_back(tmp_path):
    AUDIT.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert json.loads((folder / "card.json").read_text()) == AUDIT.card.to_dict()
    rows, samples = (pl.read_parquet(folder / f"{name}.parquet") for name in ("rows", "samples"))
    assert rows.equals(AUDIT.rows)
    assert rows.columns == list(COLUMNS)
    assert samples.equals(AUDIT.samples)
    assert samples.columns == list(SAMPLE_COLUMNS)
    nearest = pl.read_parquet(folder / "counterexamples.parquet")
    assert nearest["l2"].to_list() == AUDIT.counterexamples.distance["l2"].tolist()


def test_the_same_audit_gives_the_same_numbers():
    again = pb.audit(MODEL, DATA, radii=[2, 5])
    assert again.rows.equals(AUDIT.rows)
    assert again.card.model == AUDIT.card.model


def test_a_flat_data_set_is_audited_without_nan():
    flat = pb.ImageDataset(
        torch.full((6, 1, 8, 8), 90, dtype=torch.uint8), torch.tensor([0, 1] * 3), ("x", "y"), "flat"
    )
    card = pb.audit(Constant(0, 2), flat).card
    assert "NaN" not in json.dumps(card.to_dict())
    assert all(math.isfinite(point.loss) for point in card.curves)


@pytest.mark.usefixtures("untyped")
def test_a_search_of_no_such_name_is_refused():
    with pytest.raises(UnknownNameError, match="no search named 'exakt'. Did you mean 'exact'"):
        pb.audit(MODEL, DATA, ceiling="exakt")


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="ceiling_samples must be >= 0, got -1"):
        pb.audit(MODEL, DATA, ceiling_samples=-1)
    sized = pb.PixelModel(MODEL, name="sized", size=(32, 32), channels=3)
    with pytest.raises(InputError, match=r"sized takes images of 32x32 pixels, noise has 12x10"):
        pb.audit(sized, DATA)
    gray = pb.PixelModel(MODEL, name="gray", channels=1)
    with pytest.raises(InputError, match="gray takes 1 channels, noise has 3"):
        pb.audit(gray, DATA)
