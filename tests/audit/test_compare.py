import dataclasses

import pytest
import torch

from helpers import Constant, Memory, noise
from passband.audit.classifier import audit
from passband.audit.compare import compare
from passband.errors import InputError
from passband.metrics import holm, mcnemar, paired_counts
from passband.probe.components import probe_components

DATA = noise(samples=80, classes=3)
FIRST, SECOND = Memory(DATA), Constant(0, 3)


@pytest.fixture
def folders(tmp_path):
    for name, model in (("first", FIRST), ("second", SECOND)):
        audit(model, DATA, radii=[2, 5], ceiling_samples=0).save(tmp_path / name)
    return tmp_path / "first", tmp_path / "second"


def test_paired_tests_rest_on_the_same_samples(folders):
    found = compare(*folders)
    assert found.pairing == "paired on 80 samples"
    assert found.names == ("Memory", "Constant")
    by_measure = {d.measure: d for d in found.differences}
    outcomes = [probe_components(model, DATA, [2, 5]) for model in (FIRST, SECOND)]
    measures = [
        ("lfc@2", "lfc", 2),
        ("lfc@5", "lfc", 5),
        ("hfc@2", "hfc", 2),
        ("hfc@5", "hfc", 5),
        ("clean", "full", None),
    ]
    corrects = [[o.correct[o.of(c, r)] for o in outcomes] for _, c, r in measures]
    expected = holm([mcnemar(*paired_counts(*pair)) for pair in corrects])
    for (measure, _, _), (one, two), p in zip(measures, corrects, expected, strict=True):
        difference = by_measure[measure]
        assert difference.p == pytest.approx(p)
        assert difference.first == pytest.approx(one.float().mean().item())
        assert difference.second == pytest.approx(two.float().mean().item())
        assert difference.low <= difference.second - difference.first <= difference.high
    assert by_measure["clean"].p < 0.001
    assert by_measure["critical50"].p is None


def test_a_model_against_itself_does_not_differ(folders):
    found = compare(folders[0], folders[0])
    assert all(d.p == 1 for d in found.differences if d.p is not None)
    assert all(d.first == d.second for d in found.differences)


def test_audits_of_parts_of_the_data_are_paired_on_the_common_part(tmp_path, folders):
    audit(SECOND, DATA, radii=[2, 5], ceiling_samples=0, precision=0.3, batch_size=10).save(tmp_path / "part")
    found = compare(folders[0], tmp_path / "part")
    common = int(found.pairing.split()[2])
    assert 10 <= common < 80
    assert dataclasses.asdict(found)["differences"][0]["p"] is not None


def test_other_data_are_not_paired(tmp_path, folders):
    other = noise(samples=80, classes=3, seed=1)
    audit(SECOND, other, radii=[5], amplitude="raw", ceiling_samples=0).save(tmp_path / "other")
    found = compare(folders[0], tmp_path / "other")
    assert found.pairing == "not paired: the audits are of different data"
    assert all(d.p is None for d in found.differences)
    assert "different amplitude policies, 'max' and 'raw'" in found.warnings[0]
    assert {d.measure for d in found.differences if "@" in d.measure} == {"lfc@5", "hfc@5"}


def test_cards_without_samples_are_not_paired(folders):
    (folders[1] / "samples.parquet").unlink()
    assert "samples.parquet is missing" in compare(*folders).pairing


def test_a_broken_table_is_refused(folders):
    (folders[1] / "samples.parquet").write_bytes(b"not a table")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        compare(*folders)


def test_no_common_radius_is_refused(tmp_path, folders):
    audit(SECOND, DATA, radii=[3], ceiling_samples=0).save(tmp_path / "three")
    with pytest.raises(InputError, match="no radius in common"):
        compare(folders[0], tmp_path / "three")


def test_different_sizes_are_warned_of(tmp_path, folders):
    larger = noise(samples=10, classes=3, size=(20, 20))
    audit(Constant(0, 3), larger, radii=[5], ceiling_samples=0).save(tmp_path / "larger")
    assert any(
        "different image sizes" in warning for warning in compare(folders[0], tmp_path / "larger").warnings
    )


def test_bootstrap_is_repeatable(folders):
    torch.manual_seed(1)
    first = compare(*folders, seed=5)
    torch.manual_seed(2)
    assert compare(*folders, seed=5) == first
